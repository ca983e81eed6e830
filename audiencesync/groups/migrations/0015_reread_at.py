"""When phones and e-mails of a group began to be read by another rule."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("groups", "0014_waiting_people_verbs")]

    operations = [
        migrations.AddField(
            model_name="appgroup",
            name="reread_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
