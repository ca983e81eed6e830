"""What can be chosen for people who wait is logged, too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0013_suppression_days"),
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
                    ("let_travel", "let waiting people travel on"),
                    ("discarded", "discarded waiting people"),
                ],
                max_length=20,
            ),
        ),
    ]
