"""The setup link: printed into the log at first start, it creates the first account and app group.

A link works once, for a day, and only while there is no staff user. Every process that starts
prints its own link and replaces only the one that it printed before. So the links in the logs of
web and engine all work until one of them is used.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import (
    SETUP_LIFETIME,
    Activity,
    AppGroup,
    Membership,
    Role,
    SetupLink,
    User,
)

logger = logging.getLogger(__name__)


class NotOpen(Exception):
    """The link was used or replaced, or has expired, or there is a staff user already."""


@dataclass(frozen=True, slots=True)
class Account:
    """The data of the first account."""

    email: str
    name: str
    password: str
    language: str


def is_set_up() -> bool:
    """Return whether there is any account."""
    return User.objects.exists()


def has_staff() -> bool:
    """Return whether there is a staff user, active or not."""
    return User.objects.filter(Q(is_staff=True) | Q(is_superuser=True)).exists()


def announce(process: str) -> None:
    """Log a new link if there is no account. ``process``: unique on this machine."""
    try:
        if not is_set_up():
            link = issue_link(f"{process} at {socket.gethostname()}", now=timezone.now())
            logger.warning(
                "There is no account yet. This link makes the first one, once, within a day: %s",
                link,
            )
    except DatabaseError:  # down, or not migrated yet: the process itself reports it
        logger.info("Whether there is an account could not be read.")


@transaction.atomic
def issue_link(printed_by: str, *, now: datetime, ends_all: bool = False) -> str:
    """Save a new link and return its URL, which the caller prints.

    It replaces the former link of the same process, with ``ends_all`` the links of all.
    """
    replaced = SetupLink.objects.filter(
        Q(printed_by=printed_by) | Q(created_at__lte=now - SETUP_LIFETIME)
    )
    (SetupLink.objects.all() if ends_all else replaced).delete()
    token = secrets.token_urlsafe(32)
    SetupLink.objects.create(token_hash=_hash(token), printed_by=printed_by[:200], created_at=now)
    return f"{settings.SITE_URL}{reverse('setup', args=[token])}"


def find(token: str) -> SetupLink | None:
    """Return the link with this token, whether it still works or not."""
    return SetupLink.objects.filter(token_hash=_hash(token)).first()


def create(token: str, account: Account, app_group: AppGroup, *, now: datetime) -> User:
    """Save the first account and its group, and delete every link. Raises NotOpen."""
    with transaction.atomic():
        # All links are locked in the same order: of two requests at the same time, one finds none.
        links = list(SetupLink.objects.select_for_update().order_by("pk"))
        link = next((link for link in links if link.token_hash == _hash(token)), None)
        if link is None or not link.is_open(now=now) or has_staff():
            raise NotOpen
        user = User.objects.create_superuser(
            account.email, account.password, name=account.name, language=account.language
        )
        app_group.save()
        Membership.objects.create(app_group=app_group, user=user, role=Role.ADMIN, joined_at=now)
        Activity.log(
            app_group, user, Activity.Verb.CREATED, app_group.name, kind=Activity.Kind.GROUP
        )
        SetupLink.objects.all().delete()
    return user


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
