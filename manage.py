#!/usr/bin/env python
"""Django's command line."""

import os
import sys

from django.core.management import execute_from_command_line
from django.db import OperationalError

from audiencesync.core.start import in_one_line


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audiencesync.settings")
    try:
        with in_one_line():
            execute_from_command_line(sys.argv)
    except OperationalError as error:
        if "--traceback" in sys.argv:
            raise
        sys.exit(
            f"The database does not answer as it should: {' '.join(str(error).split())} (--traceback tells more)"
        )


if __name__ == "__main__":
    main()
