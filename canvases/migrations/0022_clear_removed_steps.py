"""People at a removed step are moved crowd by crowd: which steps, and where the people go."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the columns."""

    dependencies = [("canvases", "0021_step_hours")]

    operations = [
        migrations.AddField(
            model_name="step",
            name="clears_to",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="canvases.step",
            ),
        ),
        migrations.AddField(
            model_name="step",
            name="is_clearing",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("is_clearing", True)), fields=["canvas"], name="step_clearing"
            ),
        ),
        migrations.AddConstraint(
            model_name="step",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("clears_to", None), ("is_clearing", False)),
                    models.Q(("is_clearing", True), ("removed_at__isnull", False)),
                    _connector="OR",
                ),
                name="step_clears_if_removed",
            ),
        ),
    ]
