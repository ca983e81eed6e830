"""Whether the people of a batch were tried in another one before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0034_first_tries"),
    ]

    operations = [
        migrations.AddField(
            model_name="batch",
            name="was_tried",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
