"""Index the visits at a step by that they are at one: no other index serves a crowd then."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Change the condition of the index."""

    dependencies = [("canvases", "0023_list_indexes")]

    operations = [
        migrations.RemoveIndex(model_name="visit", name="visit_due"),
        migrations.AddIndex(
            model_name="visit",
            index=models.Index(
                fields=["step", "due_at", "id"],
                condition=models.Q(step__isnull=False),
                name="visit_due",
            ),
        ),
    ]
