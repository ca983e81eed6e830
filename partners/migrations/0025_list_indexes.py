"""Indexes for the lists of people behind the numbers of a Sync."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Add two; the one of batches takes the place of that of their Sync."""

    dependencies = [("partners", "0024_audience_sizes")]

    operations = [
        migrations.AddIndex(
            "batch", models.Index(fields=["sync", "state", "id"], name="batch_list")
        ),
        migrations.AlterField(
            "batch",
            "sync",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="batches",
                to="partners.sync",
            ),
        ),
        migrations.AddIndex(
            "delivery",
            models.Index(
                fields=["sync", "outcome", "reason", "id"],
                condition=models.Q(outcome__isnull=False),
                name="delivery_list",
            ),
        ),
    ]
