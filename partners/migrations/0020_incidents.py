"""Add incidents: one row per trouble, from its begin to its end."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0021_plain_model_names"),
        ("partners", "0019_left"),
    ]

    operations = [
        migrations.CreateModel(
            name="Incident",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=30)),
                ("begun_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("people", models.PositiveIntegerField(default=0)),
                ("most_people", models.PositiveIntegerField(default=0)),
                ("deadline_at", models.DateTimeField(null=True)),
                (
                    "ad_account",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="partners.adaccount",
                    ),
                ),
                (
                    "app_group",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="groups.appgroup",
                    ),
                ),
                (
                    "audience",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="partners.audience",
                    ),
                ),
                (
                    "connection",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="partners.connection",
                    ),
                ),
                (
                    "sync",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="partners.sync",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("ended_at", None)),
                        fields=["app_group"],
                        name="incident_open_of_group",
                    ),
                    models.Index(fields=["app_group", "-id"], name="incident_newest"),
                    models.Index(
                        condition=models.Q(("ended_at__isnull", False)),
                        fields=["ended_at"],
                        name="incident_ended",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("ad_account__isnull", True),
                                ("audience__isnull", True),
                                ("connection__isnull", False),
                                ("sync__isnull", True),
                            ),
                            models.Q(
                                ("ad_account__isnull", False),
                                ("audience__isnull", True),
                                ("connection__isnull", True),
                                ("sync__isnull", True),
                            ),
                            models.Q(
                                ("ad_account__isnull", True),
                                ("audience__isnull", False),
                                ("connection__isnull", True),
                                ("sync__isnull", True),
                            ),
                            models.Q(
                                ("ad_account__isnull", True),
                                ("audience__isnull", True),
                                ("connection__isnull", True),
                                ("sync__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="incident_at_one_place",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("connection", "code"),
                        name="incident_open_connection",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("ad_account", "code"),
                        name="incident_open_ad_account",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("audience", "code"),
                        name="incident_open_audience",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("sync", "code"),
                        name="incident_open_sync",
                    ),
                ],
            },
        ),
    ]
