"""What happened at a step within each hour, for charts."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("canvases", "0020_counts_without_trails"),
    ]

    operations = [
        migrations.CreateModel(
            name="StepHour",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField()),
                ("entered", models.BigIntegerField(default=0)),
                ("proceeded", models.BigIntegerField(default=0)),
                ("exited", models.BigIntegerField(default=0)),
                ("withdrawn", models.BigIntegerField(default=0)),
                (
                    "step",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="hours",
                        to="canvases.step",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("step", "hour"), name="step_hour_once")
                ],
            },
        ),
    ]
