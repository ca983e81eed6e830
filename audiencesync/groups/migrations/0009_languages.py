"""The languages of users and groups; the database fills them in for code that does not know them yet."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0008_rework_again"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=10, verbose_name="language"
            ),
        ),
        migrations.AddField(
            model_name="appgroup",
            name="language",
            field=models.CharField(
                db_default="en", default="en", max_length=10, verbose_name="language"
            ),
        ),
    ]
