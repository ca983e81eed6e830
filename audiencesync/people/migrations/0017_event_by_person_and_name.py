"""A condition on how often a person did something looks up the events by person, name and time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0016_live_segments"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["profile", "name", "at"], name="event_by_person_and_name"),
        ),
    ]
