"""Check the invariants of the counters; exit 1 if one is broken."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from canvases import laws


class Command(BaseCommand):
    """manage.py check_counters [--json]"""

    help = (
        "Checks in one snapshot that every counter equals the rows it counts. "
        "Changes nothing; exit 1 on drift."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add --json."""
        parser.add_argument(
            "--json", action="store_true", help="print a JSON object instead of sentences"
        )

    def handle(self, **options: Any) -> None:
        """Print a sentence per broken invariant."""
        broken = laws.broken(now=timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps({"ok": not broken, "broken": broken}))
        for sentence in broken if not options["json"] else []:
            self.stdout.write(sentence)
        if broken:
            raise CommandError(f"{len(broken)} broken laws.")
        if not options["json"]:
            self.stdout.write("All counters are exact.")
