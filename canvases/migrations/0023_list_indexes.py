"""Indexes for the lists of people behind the numbers of canvases and steps."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add two."""

    dependencies = [("canvases", "0022_clear_removed_steps")]

    operations = [
        migrations.AddIndex("visit", models.Index(fields=["canvas", "id"], name="visit_list")),
        migrations.AddIndex(
            "visit",
            models.Index(
                fields=["canvas", "left_by", "id"],
                condition=models.Q(left_by__isnull=False),
                name="visit_left_early",
            ),
        ),
    ]
