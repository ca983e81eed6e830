"""When the beat looks at an open erasure next: one that rests or waits for long is not read at each."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("people", "0006_withdrawals"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="erasure",
            name="erasure_open",
        ),
        migrations.AddField(
            model_name="erasure",
            name="look_at",
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
        ),
        migrations.AddIndex(
            model_name="erasure",
            index=models.Index(
                condition=models.Q(("state", "removing")), fields=["look_at"], name="erasure_due"
            ),
        ),
    ]
