"""``manage.py chaos``: kill and stop engines during faults and user acts; exit 1 on a violation."""

from __future__ import annotations

import json
import random
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from lab.chaos.report import Report
from lab.chaos.run import Chaos
from lab.stack.servers import has_postgres
from lab.stack.stack import StackError

MAX_ENGINES = 8
MAX_SECONDS = 24 * 3600


class Command(BaseCommand):
    """manage.py chaos [--seconds N] [--seed N] [--engines N] [--database NAME] ..."""

    help = (
        "Runs several engines on one database as processes of its own. They are killed and "
        "stopped at random while the sandbox fails four calls in ten and users enter people, "
        "launch, stop, disconnect and retry. The laws are checked all the time, and every person "
        "is accounted for at the end. Needs the development packages."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--seconds", type=float, default=60.0, help="how long it storms (default: 60)"
        )
        parser.add_argument(
            "--seed",
            type=int,
            default=None,
            help="repeats the random choices of another run (default: at random)",
        )
        parser.add_argument(
            "--engines",
            type=int,
            default=3,
            help=f"how many engines, 1 to {MAX_ENGINES} (default: 3)",
        )
        parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
        parser.add_argument(
            "--redis", action="store_true", help="with a private Redis as queue and cache"
        )
        parser.add_argument(
            "--json",
            action="store_true",
            help="one JSON object on stdout, everything else on stderr",
        )

    def handle(self, **options: Any) -> None:
        """Run and print the report."""
        self.check_options(options)
        signal.signal(signal.SIGTERM, _interrupt)
        seed = (
            options["seed"]
            if options["seed"] is not None
            else random.SystemRandom().randrange(1_000_000)
        )
        chaos = Chaos(
            folder=_folder(seed),
            seed=seed,
            seconds=options["seconds"],
            engines=options["engines"],
            database=options["database"],
            redis=options["redis"],
            say=self.say,
        )
        try:
            report = chaos.run()
        except StackError as error:
            raise CommandError(f"{error}\nThe logs are in {chaos.folder}") from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted; everything is stopped.", returncode=130) from None
        self.finish(report, as_json=options["json"])

    def check_options(self, options: dict[str, Any]) -> None:
        """Raise CommandError for options that cannot work, before a process is started."""
        if not 1 <= options["engines"] <= MAX_ENGINES:
            raise CommandError(f"--engines takes 1 to {MAX_ENGINES}.")
        if not 1 <= options["seconds"] <= MAX_SECONDS:
            raise CommandError(f"--seconds takes 1 to {MAX_SECONDS}.")
        if options["database"] == "postgresql" and not has_postgres():
            raise CommandError("PostgreSQL is missing (Debian: apt-get install postgresql).")

    def say(self, text: str) -> None:
        """Print progress on stderr, beside the result."""
        self.stderr.write(text, self.style.HTTP_INFO)
        self.stderr.flush()

    def finish(self, report: Report, *, as_json: bool) -> None:
        """Print the report and write it to the folder. Raise CommandError on a violation."""
        text = json.dumps(report.as_dict(), indent=1)
        (Path(report.folder) / "report.json").write_text(text)
        self.stdout.write(text if as_json else "\n".join(report.lines()))
        if report.violations:
            command = f"manage.py chaos --seed {report.seed} --seconds {report.seconds:g}"
            command += f" --engines {report.engines} --database {report.database}"
            command += " --redis" if report.redis else ""
            raise CommandError(
                f"{len(report.violations)} violations, named above. To repeat the run: {command}"
            )


def _folder(seed: int) -> Path:
    """Make a folder for the logs, which is kept."""
    parent = Path(settings.VAR_DIR).resolve() / "chaos"
    parent.mkdir(parents=True, exist_ok=True)
    # Two runs may begin in one second.
    return Path(tempfile.mkdtemp(prefix=f"{time.strftime('%Y%m%d-%H%M%S')}-{seed}-", dir=parent))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
