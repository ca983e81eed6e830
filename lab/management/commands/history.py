"""``manage.py history``: spread the demo's counts over past days, to look at charts and trends."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from lab.story import history


class Command(BaseCommand):
    """manage.py history [--days N] [--seed N]"""

    help = (
        "Makes up when the people of launched canvases came: over the last month, as in a shop. "
        "Totals stay. Only for the demo: it rewrites the tallies by hour."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--days", type=int, default=30, help="how many days (default: 30)")
        parser.add_argument("--seed", type=int, default=7, help="the same seed, the same history")

    def handle(self, *args: Any, days: int, seed: int, **options: Any) -> None:
        """Make up the history. Raise CommandError unless DEMO is set."""
        if not settings.DEMO:
            raise CommandError("History is made up with DEMO=1 only: it rewrites real numbers.")
        if not 1 <= days <= 400:
            raise CommandError("--days takes 1 to 400.")
        n = history.make(days=days, seed=seed, now=timezone.now())
        self.stdout.write(f"Spread the people of {n} Syncs over {days} days.")
