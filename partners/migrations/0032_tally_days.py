"""What a tally said when a day began, for the sums of many days."""

import django.db.models.deletion
from django.db import migrations, models

COUNTS = ("entered", "synced", "not_synced", "pending", "errored", "cancelled")


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0031_thresholds"),
    ]

    operations = [
        migrations.CreateModel(
            name="TallyDay",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                *((name, models.BigIntegerField(default=0)) for name in COUNTS),
                ("moved", models.BigIntegerField(db_default=0, default=0)),
                ("day", models.DateField()),
                (
                    "sync",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="days",
                        to="partners.sync",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("sync", "day"), name="tally_day_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            entered=models.F("synced")
                            + models.F("not_synced")
                            + models.F("pending")
                            + models.F("errored")
                            + models.F("cancelled")
                        ),
                        name="tally_day_adds_up",
                    ),
                ]
            },
        ),
    ]
