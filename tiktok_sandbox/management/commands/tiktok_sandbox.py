"""``manage.py tiktok_sandbox``: run the sandbox until SIGTERM or Ctrl-C."""

import gc
import os
import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tiktok_sandbox.limits import DEFAULT, PRESETS
from tiktok_sandbox.sandbox import DEMO_APP_ID, DEMO_SECRET, Options
from tiktok_sandbox.server import Server, serve


class Command(BaseCommand):
    help = "Run the TikTok sandbox: API, authorisation page, Ads Manager and control page."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8900)
        parser.add_argument(
            "--db", default=":memory:", help="its own SQLite file; without it nothing is kept"
        )
        parser.add_argument("--preset", choices=sorted(PRESETS), default=DEFAULT.name)
        parser.add_argument("--app-id", default=os.environ.get("TIKTOK_APP_ID") or DEMO_APP_ID)
        parser.add_argument(
            "--app-secret", default=os.environ.get("TIKTOK_APP_SECRET") or DEMO_SECRET
        )
        parser.add_argument(
            "--strict-slash", action="store_true", help="404 if the path does not end with a slash"
        )
        parser.add_argument(
            "--size-delay",
            type=float,
            default=0,
            help="seconds between two counts of the size of an audience",
        )
        parser.add_argument(
            "--allow-redirect",
            action="append",
            default=[],
            metavar="PREFIX",
            help="a beginning that redirect_uri may have; can be repeated; default: any is allowed",
        )

    def handle(self, *args: object, **options: Any) -> None:
        # A request with 10,000 people and three ids each makes 60,000 short-lived containers: with
        # the default thresholds the garbage collector takes half of the time.
        gc.set_threshold(1_000_000, 20, 100)
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        with self.server(options) as server:
            self.stdout.write(
                f"TikTok sandbox at {server.url}/ (control page {server.url}/control/)"
            )
            self.stdout.flush()
            ended.wait()

    def server(self, options: dict[str, Any]) -> Server:
        chosen = Options(
            app_id=options["app_id"],
            app_secret=options["app_secret"],
            limits=PRESETS[options["preset"]],
            strict_slash=options["strict_slash"],
            size_delay=options["size_delay"],
            allowed_redirects=tuple(options["allow_redirect"]),
        )
        try:
            return serve(
                options["port"], options["db"], options["host"], logs_requests=True, options=chosen
            )
        except (OSError, OverflowError) as error:
            place = f"{options['host']}:{options['port']}"
            raise CommandError(
                f"The sandbox cannot listen on {place} ({error}). Choose another port."
            ) from error
