"""The branch that a visit takes, when it came to its step, and the tally of each branch."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the columns and the table."""

    dependencies = [("canvases", "0009_entry_and_exit")]

    operations = [
        migrations.AddField(
            model_name="visit", name="arrived_at", field=models.DateTimeField(null=True)
        ),
        migrations.AddField(
            model_name="visit", name="branch", field=models.PositiveSmallIntegerField(null=True)
        ),
        migrations.CreateModel(
            name="BranchTally",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("branch", models.PositiveSmallIntegerField()),
                ("n", models.BigIntegerField(default=0)),
                (
                    "step",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="branch_tallies",
                        to="canvases.step",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("step", "branch"), name="branch_tally_once"),
                    models.CheckConstraint(
                        condition=models.Q(("n__gte", 0)), name="branch_tally_positive"
                    ),
                ]
            },
        ),
    ]
