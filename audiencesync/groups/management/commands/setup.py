"""`manage.py setup`: prints a one-time link that creates the first account."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audiencesync.groups.first_start import setup_link


class Command(BaseCommand):
    help = (
        "Print a one-time link that makes the first account and app group. "
        "Links printed before stop working."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if setup_link.has_staff():  # staff create further accounts by invitation
            raise CommandError(
                "There is a member of staff already. Sign in and invite others, "
                "or run manage.py changepassword."
            )
        link = setup_link.issue_link("manage.py setup", now=timezone.now(), ends_all=True)
        self.stdout.write(f"This link makes the first account, once, within a day:\n{link}")
