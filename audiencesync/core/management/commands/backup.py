"""`manage.py backup <file>`: writes the whole database into one file while everything runs."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from audiencesync.core.database import backup


class Command(BaseCommand):
    help = (
        "Writes the whole database into a new file, while everything runs. "
        "Keep TOKEN_KEYS somewhere else."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="a file that does not exist yet")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """Print one line; exit 1 if there is no backup."""
        try:
            backup.write(file)
        except (backup.BackupError, DatabaseError, OSError) as error:
            raise CommandError(f"No backup was made: {error}") from error
        self.stdout.write(f"{file}: {file.stat().st_size:,} bytes")
