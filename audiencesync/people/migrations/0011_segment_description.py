"""Segments get a description."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0010_api_ids_once")]
    operations = [
        migrations.AddField(
            "segment",
            "description",
            models.CharField("description", blank=True, default="", max_length=500),
        ),
        migrations.AlterField(
            "segment", "description", models.CharField("description", blank=True, max_length=500)
        ),
    ]
