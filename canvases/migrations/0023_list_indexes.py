"""An index for the lists of people who left a canvas early."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the index, which is written only for early exits."""

    dependencies = [("canvases", "0022_clear_removed_steps")]

    operations = [
        migrations.AddIndex(
            "visit",
            models.Index(
                fields=["canvas", "left_by", "id"],
                condition=models.Q(left_by__isnull=False),
                name="visit_left_early",
            ),
        ),
    ]
