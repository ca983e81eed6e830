"""Start-up checks: a process with unsafe settings ends with one line per error instead of a crash
loop.
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import django
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

# The exit code after which gunicorn and the systemd units do not start the process again.
DO_NOT_RESTART = 4

logger = logging.getLogger(__name__)


@contextmanager
def exit_on_bad_settings() -> Iterator[None]:
    """End this process with one line if a setting is malformed."""
    try:
        yield
    except ImproperlyConfigured as error:
        sys.stderr.write(f"AudienceSync does not start: {error}\n")
        sys.exit(DO_NOT_RESTART)


def exit_if_unsafe() -> None:
    """End this process with one line per failed system check."""
    # Only web and engine need this: the other commands of manage.py run the checks themselves.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audiencesync.settings")
    with exit_on_bad_settings():
        django.setup()
    errors = [message for message in checks.run_checks() if message.is_serious()]
    for error in errors:
        sys.stderr.write(f"AudienceSync does not start: {_text(error)}\n")
    if errors:
        sys.exit(DO_NOT_RESTART)


def log_warnings() -> None:
    """Log one line per message of the system checks; call after `exit_if_unsafe`."""
    for warning in checks.run_checks():
        logger.warning("AudienceSync starts, but: %s", _text(warning))


def _text(message: checks.CheckMessage) -> str:
    return f"{message.msg} {message.hint}" if message.hint else message.msg


if __name__ == "__main__":  # gunicorn.conf.py runs this before the web workers start
    exit_if_unsafe()
    log_warnings()
    # Imported here because it needs models, which can be imported only after django.setup().
    import_module("audiencesync.groups.first_start.setup_link").announce(
        f"web on port {os.environ.get('WEB_PORT', '8000')}"
    )
