"""How many people of a call were in none before, and how many of these the partner took."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0033_fill_tally_days"),
    ]

    operations = [
        migrations.AddField(
            model_name="pushshare",
            name="first_accepted",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name="pushshare",
            name="first_people",
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddConstraint(
            model_name="pushshare",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    first_people__lte=models.F("people"),
                    first_accepted__lte=models.F("first_people"),
                ),
                name="push_share_first",
            ),
        ),
    ]
