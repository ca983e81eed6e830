"""The rule that reads phones and e-mails has changed: everybody is hashed anew in the background, whatever is found is noted."""

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone

from audiencesync.groups.models import REWORK_AGAIN


def begin(apps, _schema_editor):
    """Everybody of every group; twice, for what a process of the old release writes meanwhile."""
    now = timezone.now()
    groups = apps.get_model("groups", "AppGroup").objects
    groups.update(reread_at=now, rework_cursor=0, rework_again_at=now + REWORK_AGAIN)


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0015_reread_at"),
        ("people", "0011_segment_description"),
    ]

    operations = [
        migrations.AlterField(
            model_name="profile",
            name="rule_version",
            field=models.PositiveSmallIntegerField(default=7),
        ),
        migrations.CreateModel(
            name="Misreading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("email", "email"),
                            ("phone", "phone"),
                            ("idfa", "idfa"),
                            ("gaid", "gaid"),
                        ],
                        max_length=5,
                    ),
                ),
                ("sha256", models.BinaryField(max_length=32)),
                ("at", models.DateTimeField()),
                (
                    "app_group",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="groups.appgroup",
                    ),
                ),
                (
                    "profile",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="misreadings",
                        to="people.profile",
                    ),
                ),
            ],
        ),
        migrations.RunPython(begin, migrations.RunPython.noop),
    ]
