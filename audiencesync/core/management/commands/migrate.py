"""`manage.py migrate` under the migration lock: a second process waits for the first one."""

from typing import Any

from django.core.management.commands import migrate

from audiencesync.core.database import migration_lock


class Command(migrate.Command):
    """Django's command under the migration lock."""

    def handle(self, *args: Any, **options: Any) -> None:
        # The plan is made under the lock, so it leaves out what another process has applied
        # meanwhile.
        with migration_lock.hold(
            options["database"], on_wait=lambda: self.stderr.write("Another migrate is running ...")
        ):
            super().handle(*args, **options)
