"""Before the first request: an installation that could not keep its secrets is refused in one line, not in a crash loop."""

import sys

import django
from django.core import checks

GUNICORN_STOPS = 4  # a worker that ends with this is not started again


def refuse_if_unsafe() -> None:
    """End this process with one line per error of the system checks. manage.py does the same by itself."""
    django.setup()
    errors = [message for message in checks.run_checks() if message.is_serious()]
    for error in errors:
        hint = f" {error.hint}" if error.hint else ""
        sys.stderr.write(f"AudienceSync does not start: {error.msg}{hint}\n")
    if errors:
        sys.exit(GUNICORN_STOPS)
