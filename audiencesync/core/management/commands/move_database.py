"""`manage.py move_database var/audiencesync.sqlite3`: copies it into the empty PostgreSQL of
DATABASE_URL.
"""

from pathlib import Path
from typing import Any

from django import db
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audiencesync.core.database import move_database


class Command(BaseCommand):
    help = (
        "Moves everything from a SQLite file into the empty, migrated PostgreSQL of DATABASE_URL."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="the SQLite file; it stays as it is")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            moved = move_database.move(file)
        except move_database.MoveError as error:
            raise CommandError(str(error)) from error
        except db.Error as error:
            raise CommandError(f"Nothing was moved: {error}") from error
        self.stdout.write(
            f"Moved {sum(moved.values())} rows of {sum(map(bool, moved.values()))} tables."
        )
        self.stdout.write("Now: manage.py check_counters")
