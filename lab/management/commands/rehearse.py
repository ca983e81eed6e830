"""``manage.py rehearse``: play the whole story on processes; exit 1 if a number is wrong."""

from __future__ import annotations

import json
import signal
from typing import Any

import requests
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from lab.stack.stack import StackError
from lab.story import census
from lab.story.browser import NotOnPage
from lab.story.rehearse import Rehearsal, Report
from lab.story.story import METRICS
from lab.story.verify import LIMITS

MAX_PEOPLE = 10_000_000


class Command(BaseCommand):
    """manage.py rehearse [--people N] [--json] [--keep] [--preset NAME] [--database-url URL]"""

    help = (
        "Plays the whole story in real time over real HTTP, in a temporary folder with a fresh "
        "sandbox and database: connects, builds a canvas, launches, waits until the numbers rest, "
        "and checks every one of them. Needs the development packages."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--people", type=int, default=5000, help="how many made-up people enter (default: 5000)"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="one JSON object on stdout, everything else on stderr",
        )
        parser.add_argument(
            "--keep", action="store_true", help="keep the folder with databases and logs"
        )
        parser.add_argument("--preset", choices=sorted(LIMITS), default="published_by_braze")
        parser.add_argument(
            "--database-url", default="", help="an empty PostgreSQL database (default: SQLite)"
        )

    def handle(self, **options: Any) -> None:
        """Play the story and print the report."""
        self.check_options(options)
        signal.signal(signal.SIGTERM, _interrupt)
        rehearsal = Rehearsal(
            people=options["people"],
            preset=options["preset"],
            database_url=options["database_url"],
            keep=options["keep"],
            say=self.say,
        )
        try:
            report = rehearsal.run()
        except (StackError, NotOnPage, requests.RequestException) as error:
            report = rehearsal.report
            report.broken.append(f"The story could not go on: {error}")
        except KeyboardInterrupt:
            raise CommandError("Interrupted; everything is stopped.", returncode=130) from None
        self.finish(report, as_json=options["json"])

    def check_options(self, options: dict[str, Any]) -> None:
        """Raise CommandError for options that cannot work, before a process is started."""
        if not 1 <= options["people"] <= MAX_PEOPLE:
            raise CommandError(f"--people takes 1 to {MAX_PEOPLE}.")
        url = options["database_url"]
        if not url:
            return
        if not url.startswith(("postgres://", "postgresql://")):
            raise CommandError(
                "--database-url takes a PostgreSQL database, such as postgres://user@host/name."
            )
        try:
            is_empty = census.is_empty(url)
        except DatabaseError as error:
            raise CommandError("The database of --database-url does not answer.") from error
        if not is_empty:
            raise CommandError(
                "The database of --database-url is not empty; a rehearsal needs one of its own."
            )

    def say(self, text: str) -> None:
        """Print progress on stderr, beside the result."""
        self.stderr.write(text, self.style.HTTP_INFO)
        self.stderr.flush()

    def finish(self, report: Report, *, as_json: bool) -> None:
        """Print the report. Raise CommandError, exit code 1, if a number is wrong."""
        if as_json:
            self.stdout.write(json.dumps(report.as_dict()))
        else:
            self.stdout.write("\n".join(lines_of(report)))
        for sentence in report.broken:
            self.stderr.write(sentence)
        if not report.ok:
            raise CommandError(f"Not as it must be: {len(report.broken)} findings, named above.")


def lines_of(report: Report) -> list[str]:
    """Return the report as text."""
    width = max([len(step) for step in report.metrics] or [0])
    return [
        f"{report.people:,} people, {report.database}, {report.preset}",
        "",
        " " * width + "".join(f"{metric:>12}" for metric in METRICS),
        *(
            f"{step:{width}}" + "".join(f"{numbers[metric]:>12,}" for metric in METRICS)
            for step, numbers in report.metrics.items()
        ),
        "",
        "Sandbox: " + ", ".join(f"{name} {n:,} members" for name, n in report.sandbox.items()),
        "Identifiers there: "
        + ", ".join(f"{name} {n:,}" for name, n in report.identifiers.items()),
        "Requests: " + ", ".join(f"{name} {n:,}" for name, n in report.requests.items()),
        "Seconds: " + ", ".join(f"{name} {n}" for name, n in report.seconds.items()),
        "",
        "ok" if report.ok else "NOT ok",
    ]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
