"""Add notices: who was notified of which incident, and of which a member wants to be notified."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0021_plain_model_names"),
        ("partners", "0021_push_shares"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NoticeChoice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "connections",
                    models.CharField(
                        choices=[
                            ("all", "All of them"),
                            ("mine", "Those that concern me"),
                            ("none", "None"),
                        ],
                        default="mine",
                        max_length=4,
                    ),
                ),
                (
                    "steps",
                    models.CharField(
                        choices=[
                            ("all", "All of them"),
                            ("mine", "Those that concern me"),
                            ("none", "None"),
                        ],
                        default="mine",
                        max_length=4,
                    ),
                ),
                (
                    "membership",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notice_choice",
                        to="groups.membership",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Notice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("begun", "It began"),
                            ("6h", "People count as errored within six hours"),
                            ("1h", "People count as errored within one hour"),
                            ("over", "It is over"),
                        ],
                        max_length=5,
                    ),
                ),
                ("mail_key", models.CharField(max_length=160)),
                ("created_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notices",
                        to="partners.incident",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("sent_at", None)),
                        fields=["mail_key"],
                        name="notice_unsent",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("incident", "kind", "user"), name="notice_once")
                ],
            },
        ),
    ]
