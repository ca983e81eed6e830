"""From when a group is warned."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0022_activity_address"),
        ("partners", "0030_tally_hours_by_time"),
    ]

    operations = [
        migrations.CreateModel(
            name="Thresholds",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("error_percent", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("backlog_minutes", models.PositiveIntegerField(blank=True, null=True)),
                ("audiences_left", models.PositiveIntegerField(blank=True, null=True)),
                ("fewest_people", models.PositiveIntegerField(blank=True, null=True)),
                (
                    "app_group",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="thresholds",
                        to="groups.appgroup",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("error_percent", None),
                            models.Q(("error_percent__gte", 1), ("error_percent__lte", 100)),
                            _connector="OR",
                        ),
                        name="thresholds_error_percent",
                    )
                ],
            },
        ),
    ]
