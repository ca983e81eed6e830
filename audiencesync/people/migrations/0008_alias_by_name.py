"""The search of the list of profiles knows the name of an alias, not its label."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0007_erasures_due"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="useralias",
            index=models.Index(fields=["app_group", "name"], name="user_alias_by_name"),
        ),
    ]
