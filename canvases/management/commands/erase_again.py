"""After a restore, repeat the erasures since the backup."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from canvases.privacy import erase


class Command(BaseCommand):
    """manage.py erase_again [<file>]"""

    help = (
        "After a restore, before the engine starts: erases the people of the erasure ledger again "
        "(ERASURE_LEDGER)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the path of the ledger."""
        parser.add_argument(
            "file", type=Path, nargs="?", default=Path(settings.ERASURE_LEDGER), help="the ledger"
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        """Print how many people; exit 1 if a named ledger is missing or unreadable."""
        try:
            n = erase.erase_again(file, now=timezone.now())
        except FileNotFoundError as error:
            if file != Path(settings.ERASURE_LEDGER):
                raise CommandError(f"There is no ledger {file}.") from error
            # There is no ledger before the first erasure: this is no error, as a restore script
            # must go on.
            self.stderr.write(
                f"There is no ledger {file}: no person is erased again. "
                "Name the file of the former installation."
            )
            return
        except OSError as error:
            raise CommandError(f"No one was erased again: {error}") from error
        self.stdout.write(f"{n} people are erased again.")
