"""The activity log says "sent waiting people as before"."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0018_letters"),
    ]

    operations = [
        migrations.AlterField(
            model_name="activity",
            name="verb",
            field=models.CharField(
                choices=[
                    ("connected", "connected"),
                    ("disconnected", "disconnected"),
                    ("created", "created"),
                    ("changed", "changed"),
                    ("removed", "removed"),
                    ("launched", "launched"),
                    ("stopped", "stopped"),
                    ("retried", "retried"),
                    ("invited", "invited"),
                    ("joined", "joined"),
                    ("viewed", "viewed"),
                    ("exported", "exported"),
                    ("erased", "erased"),
                    ("revoked", "revoked"),
                    ("moved", "moved waiting people"),
                    ("let_travel", "sent waiting people as before"),
                    ("discarded", "discarded waiting people"),
                ],
                max_length=20,
            ),
        ),
    ]
