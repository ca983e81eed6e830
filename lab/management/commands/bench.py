"""``manage.py bench``: measure the product and the bare machine; print a table and JSON."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audiencesync.people.models import KINDS
from lab.bench import bench
from lab.stack.stack import StackError

MAX_PEOPLE = 10_000_000


class Command(BaseCommand):
    """manage.py bench [--people N ...] [--databases NAME ...] [--only NAME ...] [--json] ..."""

    help = (
        "Measures launch-to-synced, building, draining and idling on fresh databases of its own. "
        "Asserts nothing. Needs the development packages."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        databases = ["sqlite", "postgresql"]
        parser.add_argument("--people", type=int, nargs="+", default=[100_000])
        parser.add_argument("--databases", nargs="+", choices=databases, default=databases)
        parser.add_argument(
            "--only", nargs="+", choices=bench.NAMES, default=bench.NAMES, help="only these numbers"
        )
        parser.add_argument(
            "--kinds", nargs="+", choices=KINDS, default=["email"], help="identifiers that are sent"
        )
        parser.add_argument(
            "--idle-seconds", type=int, default=20, help="how long to watch the idle engine"
        )
        parser.add_argument(
            "--busy-seconds",
            type=int,
            default=60,
            help="how long changes and events arrive, and how long to work at a backlog",
        )
        parser.add_argument(
            "--backlog",
            type=int,
            default=0,
            help="so many pending at once, to watch the memory; 10 GB for 10 M",
        )
        parser.add_argument(
            "--walkers", type=int, default=0, help="most people that go through splits; 0: all"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="one JSON object on stdout, everything else on stderr",
        )

    def handle(self, **options: Any) -> None:
        """Measure and print the results."""
        if options["idle_seconds"] < 1:
            raise CommandError("--idle-seconds takes 1 or more.")
        if options["busy_seconds"] < 1:
            raise CommandError("--busy-seconds takes 1 or more.")
        if not all(1 <= n <= MAX_PEOPLE for n in options["people"]):
            raise CommandError(f"--people takes 1 to {MAX_PEOPLE}.")
        if not 0 <= options["backlog"] <= MAX_PEOPLE:
            raise CommandError(f"--backlog takes 0 to {MAX_PEOPLE}.")
        signal.signal(signal.SIGTERM, _interrupt)
        measurements = bench.Bench(
            people=options["people"],
            databases=options["databases"],
            names=options["only"],
            kinds=options["kinds"],
            say=self.say,
            idle_seconds=options["idle_seconds"],
            busy_seconds=options["busy_seconds"],
            backlog=options["backlog"],
            walkers=options["walkers"],
        )
        try:
            results = measurements.run()
        except StackError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted; everything is stopped.", returncode=130) from None
        table = self.stderr if options["json"] else self.stdout
        table.write("\n".join(lines_of(results)))
        self.stdout.write(json.dumps(results))

    def say(self, text: str) -> None:
        """Print progress on stderr, beside the result."""
        self.stderr.write(text, self.style.HTTP_INFO)
        self.stderr.flush()


def lines_of(results: dict[str, Any]) -> list[str]:
    """Return the table: a line per number."""
    rows = list(rows_of(results))
    widths = [max([len(row[column]) for row in rows] or [0]) for column in range(3)]
    return [
        f"{database:{widths[0]}}  {people:>{widths[1]}}  {name:{widths[2]}}  {value:>14}"
        for database, people, name, value in rows
    ]


def rows_of(results: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Return database, people, name and value of each number."""
    for database, by_people in results.items():
        if isinstance(by_people, str):
            yield database, "", by_people, ""
            continue
        for people, measured in by_people.items():
            for name, value in _flat(measured):
                yield (
                    database,
                    f"{int(people):,}",
                    name,
                    value if isinstance(value, str) else f"{value:,}",
                )


def _flat(measured: dict[str, Any], path: str = "") -> Iterator[tuple[str, int | float | str]]:
    for name, value in measured.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{name}: ")
        else:
            yield f"{path}{name}", value


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
