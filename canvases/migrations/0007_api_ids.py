"""Canvases and steps get ids for programs: one of their own for every row."""

from uuid import uuid4

from django.db import migrations, models

AT_ONCE = 1000
MODELS = ("canvas", "step")


def fill(apps, schema_editor):
    """Fill the rows in chunks; a default of the column would give all rows the same id."""
    for name in MODELS:
        model = apps.get_model("canvases", name)
        while rows := list(
            model._base_manager.filter(api_id=None).only("pk").order_by("pk")[:AT_ONCE]
        ):
            for row in rows:
                row.api_id = uuid4()
            model._base_manager.bulk_update(rows, ["api_id"])


class Migration(migrations.Migration):
    dependencies = [("canvases", "0006_fill_entries_by_hour")]
    operations = [
        migrations.AddField("canvas", "api_id", models.UUIDField(null=True, editable=False)),
        migrations.AddField("step", "api_id", models.UUIDField(null=True, editable=False)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
