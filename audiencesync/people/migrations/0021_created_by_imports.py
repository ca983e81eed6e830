"""Note which profiles an import created; unknown for members of earlier imports."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0020_held_signals"),
    ]

    operations = [
        migrations.AddField(
            model_name="importmember",
            name="is_created",
            field=models.BooleanField(null=True),
        ),
    ]
