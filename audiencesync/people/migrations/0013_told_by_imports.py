"""What an import tells of cells that were left out and of identifiers that nobody can have."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0012_misreadings")]

    operations = [
        migrations.AddField(model_name="import", name="told", field=models.JSONField(default=dict)),
    ]
