"""Indexes for the lists of people behind the numbers of a Sync."""

import django.db.models.deletion
from django.db import migrations, models

# Django would make the foreign key anew: a copy of the table on SQLite, and on PostgreSQL stronger
# locks on batches and Syncs. The index goes first, for a lock that grows while the engine works
# on batches ends in a deadlock.
DROP = 'DROP INDEX "partners_batch_sync_id_858c360c"'
CREATE = 'CREATE INDEX "partners_batch_sync_id_858c360c" ON "partners_batch" ("sync_id")'


class Migration(migrations.Migration):
    """Add two; the one of batches takes the place of that of their Sync."""

    dependencies = [("partners", "0024_audience_sizes")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(DROP, CREATE)],
            state_operations=[
                migrations.AlterField(
                    "batch",
                    "sync",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="batches",
                        to="partners.sync",
                    ),
                )
            ],
        ),
        migrations.AddIndex(
            "batch", models.Index(fields=["sync", "state", "id"], name="batch_list")
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
