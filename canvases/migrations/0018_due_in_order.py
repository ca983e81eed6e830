"""Index due visits in the order in which crowds are chosen."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the id to the index."""

    dependencies = [("canvases", "0017_left_by_merge")]

    operations = [
        migrations.RemoveIndex(model_name="visit", name="visit_due"),
        migrations.AddIndex(
            model_name="visit",
            index=models.Index(
                fields=["step", "due_at", "id"],
                condition=models.Q(left_at=None),
                name="visit_due",
            ),
        ),
    ]
