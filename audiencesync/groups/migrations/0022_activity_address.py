"""Note from where an act came."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add a column; lines of older versions have none."""

    dependencies = [("groups", "0021_plain_model_names")]

    operations = [
        migrations.AddField(
            model_name="activity",
            name="address",
            field=models.GenericIPAddressField(blank=True, null=True),
        ),
    ]
