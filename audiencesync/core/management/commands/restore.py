"""`manage.py restore <file>`: a backup into an empty database, before anything runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from audiencesync.core.database import backup


class Command(BaseCommand):
    """manage.py restore <file>"""

    help = "Fills the empty database of DATABASE_URL from a file of `manage.py backup`. Stop web and engine first."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The file."""
        parser.add_argument("file", type=Path, help="what `manage.py backup` has written")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """What comes next; exit 1 and one line if it was not done."""
        try:
            backup.restore(file)
        except (backup.Refused, DatabaseError, OSError) as error:
            raise CommandError(f"Nothing was restored: {error}") from error
        self.stdout.write(
            "Restored. Now: manage.py migrate and erase_again, start web and engine, then check_counters."
        )
