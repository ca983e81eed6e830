#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

from audiencesync.core.process.start import exit_on_bad_settings


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audiencesync.settings")
    try:
        with exit_on_bad_settings():
            execute_from_command_line(sys.argv)
    except OperationalError as error:
        if "--traceback" in sys.argv:
            raise
        text = " ".join(str(error).split())
        sys.exit(f"The database does not answer as it should: {text} (--traceback tells more)")


if __name__ == "__main__":
    main()
