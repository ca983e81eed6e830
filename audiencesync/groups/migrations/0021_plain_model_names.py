"""Rename two models. Their tables keep their names, so no statement reaches the database."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("groups", "0020_lower_case_addresses")]

    operations = [
        migrations.AlterModelTable(name="lap", table="groups_lap"),
        migrations.RenameModel(old_name="Lap", new_name="PurgeCursor"),
        migrations.RenameModel(old_name="Letter", new_name="OutgoingMail"),
    ]
