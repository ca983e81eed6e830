"""Load the demo: two app groups, synthetic profiles and three accounts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audiencesync.core.demo_accounts import ADMIN, EMAILS, password
from audiencesync.groups.models import AppGroup, Membership, Role, User
from audiencesync.people.demo import people as demo

_ACCOUNTS = (
    ("Dana Demo", Role.ADMIN),
    ("Mara Marketer", Role.MARKETER),
    ("Vic Viewer", Role.VIEWER),
)
USERS = dict(zip(EMAILS, _ACCOUNTS, strict=True))
MOST_PEOPLE = 10_000_000


class Command(BaseCommand):
    """manage.py demo. Idempotent."""

    help = (
        "Load the demo: two app groups, made-up people, two segments, three sign-ins. "
        "Safe to repeat."
    )
    requires_system_checks = ()  # --remove-accounts must work although a check refuses the accounts

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument(
            "--people",
            type=int,
            default=demo.PEOPLE,
            help="how many made-up people (default: %(default)s)",
        )
        parser.add_argument(
            "--seed", type=int, default=7, help="the same seed makes the same people"
        )
        parser.add_argument(
            "--force", action="store_true", help="load it even if there are real users"
        )
        parser.add_argument(
            "--remove-accounts",
            action="store_true",
            help="delete only the accounts of the demo",
        )

    def handle(
        self, *args: Any, people: int, seed: int, force: bool, remove_accounts: bool, **options: Any
    ) -> None:
        """Load what is missing, in one transaction, and print how to sign in."""
        if remove_accounts:
            n = User.objects.filter(email__in=EMAILS).delete()[1].get(User._meta.label, 0)
            self.stdout.write(f"Deleted {n} accounts of the demo. Its app groups are still there.")
            return
        self._refuse(people=people, force=force)
        with transaction.atomic():
            secret, is_new = password(settings.VAR_DIR)
            users = {
                email: _user(email, name, secret, reset=is_new)
                for email, (name, _role) in USERS.items()
            }
            _group("Acme", "acme", users, people=people, seed=seed)
            _group("Northwind", "northwind", users, people=people // 10, seed=seed + 1)
        self.stdout.write(
            f"Open {settings.SITE_URL}/ and sign in as {ADMIN} with the password {secret}"
        )
        others = ", ".join(email for email in EMAILS if email != ADMIN)
        self.stdout.write(f"(the same password opens {others})")

    def _refuse(self, *, people: int, force: bool) -> None:
        """Raise CommandError where the demo must not be loaded."""
        if not settings.DEMO:
            raise CommandError(
                "The demo is loaded with DEMO=1 only, as `make run` sets it: "
                "the addresses of its accounts are public."
            )
        if not 0 <= people <= MOST_PEOPLE:
            raise CommandError(f"--people takes 0 to {MOST_PEOPLE}.")
        # If the demo admin exists, the other users were invited into the demo.
        is_demo = User.objects.filter(email=ADMIN).exists()
        if not (force or is_demo) and User.objects.exists():
            raise CommandError(
                "There are real users here, so the demo is not loaded. "
                "--force loads it all the same."
            )


def _user(email: str, name: str, secret: str, *, reset: bool) -> User:
    """Return the user of an address, created if missing. ``reset``: set the new password."""
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email, secret, name=name, is_staff=email == ADMIN)
    elif reset:
        user.set_password(secret)
        user.save(update_fields=["password"])
    return user


def _group(name: str, slug: str, users: dict[str, User], *, people: int, seed: int) -> None:
    """Create an app group with members, profiles and segments, unless it exists."""
    group, is_new = AppGroup.objects.get_or_create(
        slug=slug, defaults={"name": name, "time_zone": "Europe/Berlin"}
    )
    if not is_new:
        return
    for email, (_name, role) in USERS.items():
        Membership.objects.create(app_group=group, user=users[email], role=role)
    demo.make_people(group, people, seed=seed)
    demo.make_segments(group, by=users[ADMIN])
