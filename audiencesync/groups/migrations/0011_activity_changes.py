"""The activity log names the kind of the object and what was changed from what to what."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("groups", "0010_setup_links")]

    operations = [
        migrations.AddField(
            "activity", "kind", models.CharField(blank=True, default="", max_length=20)
        ),
        migrations.AddField("activity", "changes", models.JSONField(default=list)),
    ]
