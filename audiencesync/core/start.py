"""Before the first request: an installation that could not keep its secrets is refused in one line, not in a crash loop."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import django
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

DO_NOT_RESTART = 4  # gunicorn and the systemd units do not start again what ends with this

logger = logging.getLogger(__name__)


@contextmanager
def in_one_line() -> Iterator[None]:
    """Settings that cannot be read end this process with the one line that matters."""
    try:
        yield
    except ImproperlyConfigured as error:
        sys.stderr.write(f"AudienceSync does not start: {error}\n")
        sys.exit(DO_NOT_RESTART)


def refuse_if_unsafe() -> None:
    """End this process with one line per error of the system checks. Other commands of manage.py tell it by themselves."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audiencesync.settings")
    with in_one_line():
        django.setup()
    found = checks.run_checks()
    errors = [message for message in found if message.is_serious()]
    for error in errors:
        sys.stderr.write(f"AudienceSync does not start: {_words(error)}\n")
    if errors:
        sys.exit(DO_NOT_RESTART)


def tell_what_is_unwise() -> None:
    """One line of the log per warning; the other commands of manage.py tell it by themselves."""
    for warning in checks.run_checks():
        logger.warning("AudienceSync starts, but: %s", _words(warning))


def _words(message: checks.CheckMessage) -> str:
    return f"{message.msg} {message.hint}" if message.hint else message.msg


if __name__ == "__main__":  # before the workers of the web
    refuse_if_unsafe()
    tell_what_is_unwise()
    # it knows models, which nobody can import before django.setup()
    import_module("audiencesync.groups.first_start.setup_link").announce(
        f"web on port {os.environ.get('WEB_PORT', '8000')}"
    )
