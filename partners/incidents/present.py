"""The troubles that there are now, derived from connections, ad accounts and audiences."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from audiencesync.core import deadlines
from partners import risks
from partners.incidents import codes
from partners.incidents.codes import BACKLOG
from partners.models import (
    AdAccount,
    Audience,
    Batch,
    Connection,
    Incident,
    ParkedBy,
    Sync,
    Thresholds,
)
from partners.models.batch_queries import OF_STEPS, SEALED


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong at one place. ``place``: the foreign key of `Incident`.

    ``is_covered``: a wider place is in trouble, so that this one alone would change nothing.
    """

    app_group: int
    place: str
    place_id: int
    code: str
    is_covered: bool = False

    @property
    def key(self) -> tuple[str, int, str]:
        return self.place, self.place_id, self.code


SOON_HOURS = 6
"""Hours of the retry window of 13 within which people are errored soon."""
GRACE = timedelta(minutes=5)

NEEDED = Q(is_live=True) | Q(purpose__in=OF_STEPS, paused=False, tally__pending__gt=0)
"""Syncs of which a trouble matters: of live canvases, or with people on their way."""


def needed() -> QuerySet[Sync]:
    """Return the Syncs of which a trouble matters."""
    return Sync.objects.filter(NEEDED, app_group__archived_at=None)


def troubles(*, now: datetime, app_group: int | None = None) -> list[Trouble]:
    """Return the troubles of one group, or of all; five queries."""
    connections = _connections(now=now, app_group=app_group)
    without = {one.place_id for one in connections if one.code == "not_connected"}
    ad_accounts = _ad_accounts(app_group, not_connected=without)
    closed = {one.place_id for one in ad_accounts}
    broken = {one.place_id for one in connections}
    return [
        *connections,
        *ad_accounts,
        *_audiences(app_group, closed=closed),
        *_backlogs(app_group, broken=broken, closed=closed, now=now),
    ]


def _connections(*, now: datetime, app_group: int | None) -> list[Trouble]:
    used = needed().filter(audience__ad_account__connection=OuterRef("pk"))
    stuck = Batch.objects.without_key(now).filter(ad_account__connection=OuterRef("pk"))
    # A token that does not open on one machine may open on another. So such an incident begins
    # with people who wait for it, and ends where the token opens.
    known = Incident.objects.open().filter(connection=OuterRef("pk"), code=SEALED)
    rows = Connection.objects.filter(Exists(used), **in_group(app_group, "app_group")).annotate(
        is_stuck=Exists(stuck), is_known=Exists(known)
    )
    bad = Q(token_sealed="") | Q(parked_by=ParkedBy.TOKEN) | Q(parked_code=SEALED)
    found = []
    for row in rows.filter(bad | Q(is_stuck=True) | Q(is_known=True)):
        code = codes.of_connection(row, is_stuck=row.is_stuck)
        if code:
            found.append(Trouble(row.app_group_id, "connection", row.pk, code))
    return found


def _ad_accounts(app_group: int | None, *, not_connected: set[int]) -> list[Trouble]:
    """Return the ad accounts in trouble. All are disconnected if their connection is."""
    used = needed().filter(audience__ad_account=OuterRef("pk"))
    bad = Q(is_chosen=False) | Q(parked_by=ParkedBy.AD_ACCOUNT)
    rows = AdAccount.objects.filter(bad, Exists(used), **in_group(app_group, AdAccount.GROUP_PATH))
    return [
        Trouble(
            row.connection.app_group_id,
            "ad_account",
            row.pk,
            codes.of_ad_account(row),
            is_covered=row.connection_id in not_connected,
        )
        for row in rows.select_related("connection")
    ]


def _audiences(app_group: int | None, *, closed: set[int]) -> list[Trouble]:
    used = needed().filter(audience=OuterRef("pk"))
    bad = Q(remote_id="") | Q(gone_at__isnull=False) | Q(is_appendable=False)
    bad |= Q(parked_by=ParkedBy.AUDIENCE_GONE)
    rows = Audience.objects.filter(bad, Exists(used), **in_group(app_group, Audience.GROUP_PATH))
    return [
        Trouble(
            row.ad_account.connection.app_group_id,
            "audience",
            row.pk,
            codes.of_audience(row),
            is_covered=row.ad_account_id in closed,
        )
        for row in rows.select_related("ad_account__connection")
    ]


def _backlogs(
    app_group: int | None, *, broken: set[int], closed: set[int], now: datetime
) -> list[Trouble]:
    """Return the ad accounts that take no people though nothing is broken: requests fail.

    They have failed for an hour of the retry window or as long as the group says, or people are
    errored soon.
    """
    old = _has_failed_long(app_group, now=now)
    old |= Q(deadline_at__gt=now, deadline_at__lte=now + deadlines.share_of_delivery(SOON_HOURS))
    usable = Q(audience__gone_at=None, audience__is_appendable=True)
    late = risks.pending_batches().filter(old, usable, ad_account=OuterRef("pk"))
    # After a reconnect, the people who waited are sent within minutes.
    cured = Incident.objects.filter(ended_at__gt=now - GRACE)
    cured = cured.exclude(code__in=(BACKLOG, *codes.HOLD_NO_BATCHES))
    cured = cured.filter(Q(connection=OuterRef("connection")) | Q(ad_account=OuterRef("pk")))
    rows = AdAccount.objects.filter(
        Exists(late), ~Exists(cured), **in_group(app_group, AdAccount.GROUP_PATH)
    )
    return [
        Trouble(
            row.connection.app_group_id,
            "ad_account",
            row.pk,
            BACKLOG,
            is_covered=row.connection_id in broken or row.pk in closed,
        )
        for row in rows.select_related("connection").filter(connection__app_group__archived_at=None)
    ]


def _has_failed_long(app_group: int | None, *, now: datetime) -> Q:
    """Match batches that have failed for too long, by the time of their group."""
    path = "ad_account__connection__app_group"
    rows = Thresholds.objects.filter(**in_group(app_group, "app_group"))
    found = Q(first_failed_at__lte=now - deadlines.share_of_delivery(1))
    own: dict[int, list[int]] = {}
    for group, minutes in rows.values_list("app_group", "backlog_minutes"):
        if minutes is not None:
            own.setdefault(minutes, []).append(group)
    if own:
        found &= ~Q(**{f"{path}__in": [group for groups in own.values() for group in groups]})
    for minutes, groups in own.items():
        before = now - timedelta(minutes=minutes)
        found |= Q(**{f"{path}__in": groups}, first_failed_at__lte=before)
    return found


def in_group(app_group: int | None, path: str) -> dict[str, int]:
    """Return the keywords of a filter by group, along ``path``; none for all groups."""
    return {} if app_group is None else {path: app_group}
