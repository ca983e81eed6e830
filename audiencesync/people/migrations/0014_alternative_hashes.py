"""Store the e-mail hash by Gmail's rule and the phone hash without its plus; fill them in the background."""

from django.db import migrations, models
from django.utils import timezone

from audiencesync.groups.models import REWORK_AGAIN


def begin(apps, _schema_editor):
    """Let the background pass rehash every group: twice, for rows that an old process writes late."""
    groups = apps.get_model("groups", "AppGroup").objects
    groups.update(rework_cursor=0, rework_again_at=timezone.now() + REWORK_AGAIN)


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0015_reread_at"),
        ("people", "0013_told_by_imports"),
    ]

    operations = [
        migrations.AddField(
            model_name="profile",
            name="email_gmail_sha256",
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AddField(
            model_name="profile",
            name="phone_digits_sha256",
            field=models.BinaryField(max_length=32, null=True),
        ),
        migrations.AlterField(
            model_name="profile",
            name="rule_version",
            field=models.PositiveSmallIntegerField(default=8),
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
