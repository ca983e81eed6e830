"""A salt per group for the names of who was erased."""

import os

from django.db import migrations, models

import audiencesync.groups.models


def own_salts(apps, schema_editor):
    AppGroup = apps.get_model("groups", "AppGroup")
    for group in AppGroup.objects.all():
        AppGroup.objects.filter(pk=group.pk).update(erasure_salt=os.urandom(32))


class Migration(migrations.Migration):
    dependencies = [("groups", "0003_daily_limits")]

    operations = [
        migrations.AddField(
            model_name="appgroup",
            name="erasure_salt",
            field=models.BinaryField(
                default=audiencesync.groups.models.erasure_salt, max_length=32
            ),
        ),
        migrations.RunPython(own_salts, migrations.RunPython.noop),
    ]
