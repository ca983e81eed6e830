"""Add null columns and an index, and fill them: changes that the old code survives."""

from pathlib import Path

from django.db import migrations, models

from partners import migrations as known

LAST = max(file.stem for file in Path(known.__file__).parent.glob("0*.py"))


def fill(apps, schema_editor):
    apps.get_model("partners", "Delivery").objects.update(channel="canvas")


class Migration(migrations.Migration):
    dependencies = [("partners", LAST)]
    operations = [
        migrations.AddField("delivery", "channel", models.CharField(max_length=20, null=True)),
        migrations.AddField("batch", "colour", models.CharField(max_length=20, db_default="grey")),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            "delivery", models.Index(fields=["sync", "channel"], name="delivery_channel")
        ),
    ]
