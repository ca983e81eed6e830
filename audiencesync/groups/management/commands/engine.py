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

from audiencesync.core.process.start import exit_if_unsafe, log_warnings
from audiencesync.core.process.supervisor import HEARTBEAT_FILE_VARIABLE, Engine, Timeouts
from audiencesync.groups.first_start import setup_link

STALE_SECONDS = 86_400.0  # an older heartbeat file belongs to no running engine


def missing_backend(heartbeat_file: Path) -> str:
    """Return in words what a cluster needs and does not have: file, database or Redis.

    Return an empty text if it has all.
    """
    try:
        heartbeat_file.touch()
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


def delete_stale_files(folder: Path) -> None:
    """Delete heartbeat files of supervisors that were killed; a live file is touched every few
    seconds.
    """
    for file in folder.glob("engine-*.pulse"):
        with suppress(OSError):
            if time.time() - file.stat().st_mtime > STALE_SECONDS:
                file.unlink()


class Command(BaseCommand):
    """Runs until SIGTERM or Ctrl-C."""

    help = "Runs the engine: everything that happens by itself (journeys, syncing, housekeeping)."
    requires_system_checks = ()  # exit_if_unsafe runs them, with shorter output

    def handle(self, *args: Any, **options: Any) -> None:
        exit_if_unsafe()
        log_warnings()
        setup_link.announce("engine")
        db.connection.close()  # the supervisor itself needs none from here on
        # The host belongs to the name: containers that share a folder may have the same process id.
        name = f"engine-{socket.gethostname()}-{os.getpid()}.pulse"
        heartbeat_file = settings.VAR_DIR / name
        delete_stale_files(settings.VAR_DIR)
        engine = Engine(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "qcluster", "--skip-checks"],
            heartbeat_file=heartbeat_file,
            env=os.environ | {HEARTBEAT_FILE_VARIABLE: str(heartbeat_file)},
            timeouts=Timeouts(
                silence=settings.ENGINE_SILENCE_SECONDS, stop=settings.ENGINE_STOP_SECONDS
            ),
            missing_backend=partial(missing_backend, heartbeat_file),
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, engine.ask_to_stop)
        try:
            engine.run()
        finally:
            engine.kill()
            heartbeat_file.unlink(missing_ok=True)
