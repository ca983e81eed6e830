"""Rename ``Import.told`` to what it holds: counts of cells and identifiers with a problem."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("people", "0014_alternative_hashes")]

    operations = [migrations.RenameField("import", "told", "problem_counts")]
