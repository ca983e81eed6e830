"""Keep the sum of the entries by hour that are not kept."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the column."""

    dependencies = [("canvases", "0025_visits_of_a_canvas")]

    operations = [
        migrations.AddField(
            model_name="canvas",
            name="hours_base",
            field=models.BigIntegerField(db_default=0, default=0),
        )
    ]
