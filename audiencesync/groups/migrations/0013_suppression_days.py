"""How long files are held back that name somebody erased."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("groups", "0012_archived_groups")]
    operations = [
        migrations.AddField(
            "appgroup",
            "suppression_days",
            models.PositiveSmallIntegerField("days that erased people are held back", default=90),
        ),
    ]
