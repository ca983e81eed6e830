"""`manage.py createcachetable`, one at a time, as `migrate`: every machine may run both at its start."""

from typing import Any

from django.core.management.commands import createcachetable

from audiencesync.core.database import migration_lock


class Command(createcachetable.Command):
    """Django's command under a lock of the database."""

    def handle(self, *tablenames: Any, **options: Any) -> None:
        """Look for the table within the lock."""
        with migration_lock.hold(options["database"]):
            super().handle(*tablenames, **options)
