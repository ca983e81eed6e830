"""Index the visits that are at a step: PostgreSQL then takes no other index for a crowd."""

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
