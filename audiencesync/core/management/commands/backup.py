"""`manage.py backup <file>`: the whole database in one file, while everything runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from audiencesync.core.database import backup


class Command(BaseCommand):
    """manage.py backup <file>"""

    help = "Writes the whole database into a new file, while everything runs. Keep TOKEN_KEYS somewhere else."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The file."""
        parser.add_argument("file", type=Path, help="a file that does not exist yet")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """One line when it is done; exit 1 and one line if not."""
        try:
            backup.write(file)
        except (backup.Refused, DatabaseError, OSError) as error:
            raise CommandError(f"No backup was made: {error}") from error
        self.stdout.write(f"{file}: {file.stat().st_size:,} bytes")
