"""``manage.py setup``: prints a one-time link that makes the first account."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audiencesync.groups.first_start import setup_link


class Command(BaseCommand):
    """Print a new link; those printed before end."""

    help = "Print a one-time link that makes the first account and app group. Links printed before stop working."

    def handle(self, *args: Any, **options: Any) -> None:
        """Refuse where a member of staff exists: staff make accounts by invitation."""
        if setup_link.has_staff():
            raise CommandError(
                "There is a member of staff already. Sign in and invite others, or run manage.py changepassword."
            )
        link = setup_link.print_link("manage.py setup", now=timezone.now(), ends_all=True)
        self.stdout.write(f"This link makes the first account, once, within a day:\n{link}")
