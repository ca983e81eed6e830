"""People may leave because their profile was merged with that of another visit."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Widen the choices."""

    dependencies = [
        ("canvases", "0016_names_of_steps"),
    ]

    operations = [
        migrations.AlterField(
            model_name="exittally",
            name="reason",
            field=models.CharField(
                choices=[
                    ("event", "An exit event happened"),
                    ("segment", "Left the entry segment"),
                    ("joined", "Joined an exit segment"),
                    ("changed", "Identifiers changed; entered again"),
                    ("erased", "Erased"),
                    ("removed", "The component was removed"),
                    ("merged", "Merged with another profile"),
                ],
                max_length=7,
            ),
        ),
        migrations.AlterField(
            model_name="visit",
            name="left_by",
            field=models.CharField(
                choices=[
                    ("event", "An exit event happened"),
                    ("segment", "Left the entry segment"),
                    ("joined", "Joined an exit segment"),
                    ("changed", "Identifiers changed; entered again"),
                    ("erased", "Erased"),
                    ("removed", "The component was removed"),
                    ("merged", "Merged with another profile"),
                ],
                max_length=7,
                null=True,
            ),
        ),
    ]
