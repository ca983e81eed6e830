"""`manage.py createcachetable` under the migration lock: every machine may run it at its start."""

from typing import Any

from django.core.management.commands import createcachetable

from audiencesync.core.database import migration_lock


class Command(createcachetable.Command):
    """Django's command under the migration lock."""

    def handle(self, *tablenames: Any, **options: Any) -> None:
        # Whether the table exists is read under the lock.
        with migration_lock.hold(options["database"]):
            super().handle(*tablenames, **options)
