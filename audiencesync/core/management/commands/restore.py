"""`manage.py restore <file>`: fills an empty database from a backup before anything runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from audiencesync.core.database import backup


class Command(BaseCommand):
    help = (
        "Fills the empty database of DATABASE_URL from a file of `manage.py backup`. "
        "Stop web and engine first."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what `manage.py backup` has written")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """Print the next commands to run; exit 1 if nothing was restored."""
        try:
            backup.restore(file)
        except (backup.BackupError, DatabaseError, OSError) as error:
            raise CommandError(f"Nothing was restored: {error}") from error
        self.stdout.write(
            "Restored. Now: manage.py migrate and erase_again, start web and engine, "
            "then check_counters."
        )
