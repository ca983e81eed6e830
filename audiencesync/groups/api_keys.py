"""Keys of the REST API: issue, find, revoke. Nothing is cached, so a revoked key ends at once."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from audiencesync.core import deadlines
from audiencesync.groups.models import Activity, ApiKey, AppGroup, User

SCOPES: dict[str, str | Promise] = {
    "users.track": gettext_lazy("Write profiles, events and purchases"),
    "users.delete": gettext_lazy("Erase people"),
    "users.export": gettext_lazy("Read everything about a person"),
    "canvas.trigger": gettext_lazy("Let people enter canvases"),
    "canvas.read": gettext_lazy("Read canvases and their numbers"),
    "segments.read": gettext_lazy("Read segments"),
    "audiences.read": gettext_lazy("Read audiences"),
    "deliveries.read": gettext_lazy("Read what was sent of a person, and why not"),
}
LAST_USED_PRECISION = timedelta(minutes=1)  # last_used_at is written this often at most
_KEY = re.compile(r"ask_([A-Za-z0-9]{8})_[A-Za-z0-9_-]{43}", re.ASCII)
_PREFIX_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789"  # no I, l, O, 0, 1


class JustIssued(Exception):
    """The same user sent the same form seconds ago; only the first response shows the key."""


def issue(
    app_group: AppGroup,
    *,
    name: str,
    scopes: list[str],
    by: User | None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Save a key; return it with its text, which is shown once and never stored.

    Raises JustIssued.
    """
    prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(8))
    text = f"ask_{prefix}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        # Concurrent requests run one after the other, so that the second sees the first's key.
        AppGroup.objects.select_for_update(no_key=True).get(pk=app_group.pk)
        submitted_since = timezone.now() - deadlines.DOUBLE_SUBMIT_WINDOW
        # A key that is in use was seen by the user, who then wants a second one: no double submit.
        same = app_group.api_keys.filter(name=name, scopes=scopes, created_by=by, last_used_at=None)
        if by and same.filter(revoked_at=None, created_at__gt=submitted_since).exists():
            raise JustIssued
        key = ApiKey.objects.create(
            app_group=app_group,
            name=name,
            prefix=prefix,
            sha256=_sha256(text),
            scopes=scopes,
            created_by=by,
            expires_at=expires_at,
        )
        Activity.log(app_group, by, Activity.Verb.CREATED, _subject(key), kind=Activity.Kind.KEY)
    return key, text


def revoke(key: ApiKey, *, by: User, now: datetime) -> bool:
    """Revoke a key. Return False if it was revoked before."""
    with transaction.atomic():
        revoked = bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now))
        if revoked:
            Activity.log(
                key.app_group, by, Activity.Verb.REVOKED, _subject(key), kind=Activity.Kind.KEY
            )
    return revoked


def find(text: str, *, now: datetime) -> ApiKey | None:
    """Return the open key with this text and its group, and record the use."""
    if not _KEY.fullmatch(text):
        return None
    active = ApiKey.objects.filter(app_group__archived_at=None)
    key = active.select_related("app_group").filter(sha256=_sha256(text)).first()
    if key is None or not key.is_open(now=now):
        return None
    outdated_before = now - LAST_USED_PRECISION
    if key.last_used_at is None or key.last_used_at <= outdated_before:
        # The statement compares the time again, so that only one of parallel calls writes.
        outdated_q = Q(last_used_at=None) | Q(last_used_at__lte=outdated_before)
        ApiKey.objects.filter(outdated_q, pk=key.pk).update(last_used_at=now)
    return key


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _subject(key: ApiKey) -> str:
    return f"{key.name} (ask_{key.prefix}_…)"
