"""The segments that steps name, so that none is deleted meanwhile."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the table."""

    dependencies = [
        ("canvases", "0013_brake_in_chunks"),
        ("people", "0017_event_by_person_and_name"),
    ]

    operations = [
        migrations.CreateModel(
            name="StepSegment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "segment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps_with",
                        to="people.segment",
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="segment_uses",
                        to="canvases.step",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("step", "segment"), name="step_segment_once")
                ]
            },
        ),
    ]
