"""Note the steps that a visit has passed: the people behind the numbers of steps."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add columns."""

    dependencies = [("canvases", "0018_due_in_order")]

    operations = [
        migrations.AddField("visit", "trail", models.TextField(db_default="", default="")),
        migrations.AddField("steptally", "base", models.JSONField(db_default={}, default=dict)),
        migrations.AddField("branchtally", "base", models.BigIntegerField(db_default=0, default=0)),
    ]
