"""`manage.py engine`: the django-q2 cluster under its supervisor."""

import os
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import redis
from django import db
from django.conf import settings
from django.core.management.base import BaseCommand

from audiencesync.core.start import refuse_if_unsafe, tell_what_is_unwise
from audiencesync.core.supervisor import PULSE_FILE, Engine, Terms
from audiencesync.groups.first_start import setup_link

ABANDONED_SECONDS = 86_400.0


def missing(pulse_file: Path) -> str:
    """What a cluster needs and cannot have, in words: a file, the database, Redis; or nothing."""
    try:
        pulse_file.touch()
    except OSError as error:
        return f"VAR_DIR cannot be written ({error.strerror})"
    try:
        db.connection.ensure_connection()
    except db.Error:
        return "the database does not answer"
    finally:
        db.connection.close()
    try:
        if settings.REDIS_URL:
            redis.Redis.from_url(settings.REDIS_URL, socket_timeout=5).ping()
    except redis.RedisError:
        return "Redis does not answer"
    return ""


def tidy(folder: Path) -> None:
    """Remove the heartbeat files of supervisors that were killed; a living one is touched every few seconds."""
    for file in folder.glob("engine-*.pulse"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > ABANDONED_SECONDS:
                file.unlink()


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C."""

    help = "Runs the engine: everything that happens by itself (journeys, syncing, housekeeping)."
    requires_system_checks = ()  # it makes them itself, in fewer words

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_if_unsafe()
        tell_what_is_unwise()
        setup_link.announce("engine")
        db.connection.close()  # this process needs none from now on
        own = f"{socket.gethostname()}-{os.getpid()}"  # containers that share a folder may have the same process id
        pulse_file = settings.VAR_DIR / f"engine-{own}.pulse"
        tidy(settings.VAR_DIR)
        engine = Engine(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster", "--skip-checks"],
            pulse_file=pulse_file,
            env=os.environ | {PULSE_FILE: str(pulse_file)},
            terms=Terms(silence=settings.ENGINE_SILENCE_SECONDS, stop=settings.ENGINE_STOP_SECONDS),
            missing=partial(missing, pulse_file),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, engine.ask_to_stop)
        try:
            engine.run()
        finally:
            engine.kill()
            pulse_file.unlink(missing_ok=True)
