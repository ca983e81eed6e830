"""Failed calls of a Sync, with an index: they are rare among very many."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("partners", "0026_webhooks"),
    ]

    operations = [
        migrations.AddField(
            model_name="pushshare",
            name="is_failed",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name="pushshare",
            index=models.Index(
                condition=models.Q(("is_failed", True)),
                fields=["sync", "push"],
                name="push_share_failed",
            ),
        ),
    ]
