"""Rename ``Import.told`` to what it holds: counts of cells and identifiers with a problem.

The column keeps its name, because old code goes on beside the new while machines are updated.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("people", "0014_alternative_hashes")]

    operations = [
        migrations.AlterField("import", "told", models.JSONField(db_column="told", default=dict)),
        migrations.RenameField("import", "told", "problem_counts"),
    ]
