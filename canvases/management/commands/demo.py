"""``manage.py demo``: loads made-up people, two app groups and three sign-ins, once."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audiencesync.groups.models import AppGroup, Membership, Role, User
from audiencesync.people import demo

PASSWORD = "audience-sync-demo"  # noqa: S105  # printed at every start; the command refuses where real users are
ADMIN = "demo@example.org"
USERS = {
    ADMIN: ("Dana Demo", Role.ADMIN),
    "marketer@example.org": ("Mara Marketer", Role.MARKETER),
    "viewer@example.org": ("Vic Viewer", Role.VIEWER),
}
MOST_PEOPLE = 10_000_000


class Command(BaseCommand):
    """Load the demo. A second run finds everything there and changes nothing."""

    help = "Load the demo: two app groups, made-up people, two segments, three sign-ins. Safe to repeat."

    def add_arguments(self, parser: CommandParser) -> None:
        """How many people, and which ones."""
        parser.add_argument("--people", type=int, default=5000, help="how many made-up people (default: 5000)")
        parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same people")
        parser.add_argument("--force", action="store_true", help="load it although there are real users")

    def handle(self, *args: Any, people: int, seed: int, force: bool, **options: Any) -> None:
        """Load what is missing, all or nothing, and print how to sign in."""
        if not 0 <= people <= MOST_PEOPLE:
            raise CommandError(f"--people takes 0 to {MOST_PEOPLE}.")
        is_demo = User.objects.filter(email=ADMIN).exists()  # whoever was invited since then is no stranger
        if not (force or is_demo) and User.objects.exists():
            raise CommandError("There are real users here, so the demo is not loaded. --force loads it all the same.")
        with transaction.atomic():
            users = {email: _user(email, name) for email, (name, _role) in USERS.items()}
            _group("Acme", "acme", users, people=people, seed=seed)
            _group("Northwind", "northwind", users, people=people // 10, seed=seed + 1)
        self.stdout.write(f"Open {settings.SITE_URL}/ and sign in as {ADMIN} with the password {PASSWORD}")
        others = ", ".join(email for email in USERS if email != ADMIN)
        self.stdout.write(f"(the same password opens {others})")


def _user(email: str, name: str) -> User:
    """The user of that address, made if there is none."""
    found = User.objects.filter(email=email).first()
    if found:
        return found
    user = User.objects.create_user(email, PASSWORD, name=name, is_staff=email == ADMIN)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def _group(name: str, slug: str, users: dict[str, User], *, people: int, seed: int) -> None:
    """An app group with its members, people and segments. One that is there already stays as it is."""
    group, is_new = AppGroup.objects.get_or_create(slug=slug, defaults={"name": name, "time_zone": "Europe/Berlin"})
    if not is_new:
        return
    for email, (_name, role) in USERS.items():
        Membership.objects.create(app_group=group, user=users[email], role=role)
    demo.make_people(group, people, seed=seed)
    demo.make_segments(group, by=users[ADMIN])
