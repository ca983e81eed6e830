"""A removal may be asked for because an address was misread."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("partners", "0014_moved_people")]

    operations = [
        migrations.AlterField(
            model_name="sync",
            name="purpose",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", "Step"),
                    ("erasure", "Erasure"),
                    ("consent", "Withdrawn consent"),
                    ("misread", "Misread address"),
                ],
                default="",
                max_length=8,
            ),
        ),
    ]
