"""`manage.py migrate`, one at a time: a second one waits for the first and then finds nothing to do."""

from typing import Any

from django.core.management.commands import migrate

from audiencesync.core.database import migration_lock


class Command(migrate.Command):
    """Django's command under a lock of the database."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan within the lock: what another process applied meanwhile is not planned again."""
        with migration_lock.hold(
            options["database"], wait=lambda: self.stderr.write("Another migrate is running ...")
        ):
            super().handle(*args, **options)
