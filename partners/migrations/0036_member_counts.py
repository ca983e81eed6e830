"""The number of people in each large audience, counted once a day."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0035_tried_before"),
    ]

    operations = [
        migrations.CreateModel(
            name="MemberCount",
            fields=[
                (
                    "audience",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="member_count",
                        serialize=False,
                        to="partners.audience",
                    ),
                ),
                ("n", models.BigIntegerField(null=True)),
                ("counted_at", models.DateTimeField(null=True)),
                ("until", models.DateTimeField(null=True)),
                ("after", models.BigIntegerField(default=0)),
                ("so_far", models.BigIntegerField(default=0)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("until__isnull", False)),
                        fields=["until"],
                        name="member_count_going_on",
                    )
                ],
            },
        ),
    ]
