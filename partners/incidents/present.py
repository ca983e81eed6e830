"""The present troubles, derived from the rows of connections, ad accounts and audiences.

A trouble is at a place. From the widest to the narrowest, places are a connection, an ad account,
an audience, and the Sync of a step.
"""

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
    """What is wrong at one place. ``place``: the name of the foreign key of `Incident`.

    ``is_covered``: a wider place, such as the connection of an ad account, is in trouble, too. Only
    the wider trouble begins an incident.
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
"""Pending people whose deadline is within this many hours are errored soon.

The hours are those of the default retry window. With another window they change in proportion
(deadlines.share_of_delivery).
"""
RECONNECT_GRACE = timedelta(minutes=5)
"""After an incident has ended, the people who waited are sent within this time."""

RELEVANT = Q(is_live=True) | Q(purpose__in=OF_STEPS, paused=False, tally__pending__gt=0)
"""Syncs whose troubles are shown: of live canvases, or with pending people."""


def relevant_syncs() -> QuerySet[Sync]:
    """Return the Syncs whose troubles are shown."""
    return Sync.objects.filter(RELEVANT, app_group__archived_at=None)


def troubles(*, now: datetime, app_group: int | None = None) -> list[Trouble]:
    """Return the troubles of one group, or of all; five queries."""
    connections = _connections(now=now, app_group=app_group)
    disconnected = [trouble for trouble in connections if trouble.code == "not_connected"]
    disconnected_ids = {trouble.place_id for trouble in disconnected}
    ad_accounts = _ad_accounts(app_group, disconnected_ids=disconnected_ids)
    bad_ad_account_ids = {trouble.place_id for trouble in ad_accounts}
    bad_connection_ids = {trouble.place_id for trouble in connections}
    return [
        *connections,
        *ad_accounts,
        *_audiences(app_group, bad_ad_account_ids=bad_ad_account_ids),
        *_backlogs(
            app_group,
            bad_connection_ids=bad_connection_ids,
            bad_ad_account_ids=bad_ad_account_ids,
            now=now,
        ),
    ]


def _connections(*, now: datetime, app_group: int | None) -> list[Trouble]:
    syncs = relevant_syncs().filter(audience__ad_account__connection=OuterRef("pk"))
    undecryptable = Batch.objects.without_key(now).filter(ad_account__connection=OuterRef("pk"))
    # A token that does not open on one machine may open on another. So such an incident begins
    # with people who wait for it, and ends where the token opens.
    open_incident = Incident.objects.open().filter(connection=OuterRef("pk"), code=SEALED)
    connections = Connection.objects.filter(Exists(syncs), **in_group(app_group, "app_group"))
    connections = connections.annotate(
        lacks_key=Exists(undecryptable), has_incident=Exists(open_incident)
    )
    broken_q = Q(token_sealed="") | Q(parked_by=ParkedBy.TOKEN) | Q(parked_code=SEALED)
    troubles = []
    for connection in connections.filter(broken_q | Q(lacks_key=True) | Q(has_incident=True)):
        code = codes.of_connection(connection, lacks_key=connection.lacks_key)
        if code:
            troubles.append(Trouble(connection.app_group_id, "connection", connection.pk, code))
    return troubles


def _ad_accounts(app_group: int | None, *, disconnected_ids: set[int]) -> list[Trouble]:
    """Return the ad accounts in trouble. Those of a disconnected connection are covered by it."""
    syncs = relevant_syncs().filter(audience__ad_account=OuterRef("pk"))
    broken_q = Q(is_chosen=False) | Q(parked_by=ParkedBy.AD_ACCOUNT)
    ad_accounts = AdAccount.objects.filter(
        broken_q, Exists(syncs), **in_group(app_group, AdAccount.GROUP_PATH)
    )
    return [
        Trouble(
            ad_account.connection.app_group_id,
            "ad_account",
            ad_account.pk,
            codes.of_ad_account(ad_account),
            is_covered=ad_account.connection_id in disconnected_ids,
        )
        for ad_account in ad_accounts.select_related("connection")
    ]


def _audiences(app_group: int | None, *, bad_ad_account_ids: set[int]) -> list[Trouble]:
    syncs = relevant_syncs().filter(audience=OuterRef("pk"))
    broken_q = Q(remote_id="") | Q(gone_at__isnull=False) | Q(is_appendable=False)
    broken_q |= Q(parked_by=ParkedBy.AUDIENCE_GONE)
    audiences = Audience.objects.filter(
        broken_q, Exists(syncs), **in_group(app_group, Audience.GROUP_PATH)
    )
    return [
        Trouble(
            audience.ad_account.connection.app_group_id,
            "audience",
            audience.pk,
            codes.of_audience(audience),
            is_covered=audience.ad_account_id in bad_ad_account_ids,
        )
        for audience in audiences.select_related("ad_account__connection")
    ]


def _backlogs(
    app_group: int | None,
    *,
    bad_connection_ids: set[int],
    bad_ad_account_ids: set[int],
    now: datetime,
) -> list[Trouble]:
    """Return the ad accounts to which requests fail although nothing is known to be broken.

    The requests have failed for an hour (of the default retry window) or as long as the group says,
    or people are errored soon.
    """
    late_q = _failed_too_long_q(app_group, now=now)
    late_q |= Q(deadline_at__gt=now, deadline_at__lte=now + deadlines.share_of_delivery(SOON_HOURS))
    usable_q = Q(audience__gone_at=None, audience__is_appendable=True)
    late_batches = risks.pending_batches().filter(late_q, usable_q, ad_account=OuterRef("pk"))
    # After a reconnect, the people who waited are sent within minutes: no backlog yet.
    recently_ended = Incident.objects.filter(ended_at__gt=now - RECONNECT_GRACE)
    recently_ended = recently_ended.exclude(code__in=(BACKLOG, *codes.HOLD_NO_BATCHES))
    recently_ended = recently_ended.filter(
        Q(connection=OuterRef("connection")) | Q(ad_account=OuterRef("pk"))
    )
    ad_accounts = AdAccount.objects.filter(
        Exists(late_batches), ~Exists(recently_ended), **in_group(app_group, AdAccount.GROUP_PATH)
    )
    return [
        Trouble(
            ad_account.connection.app_group_id,
            "ad_account",
            ad_account.pk,
            BACKLOG,
            is_covered=ad_account.connection_id in bad_connection_ids
            or ad_account.pk in bad_ad_account_ids,
        )
        for ad_account in ad_accounts.select_related("connection").filter(
            connection__app_group__archived_at=None
        )
    ]


def _failed_too_long_q(app_group: int | None, *, now: datetime) -> Q:
    """Match batches that have failed for longer than their group allows, or than the default."""
    path = "ad_account__connection__app_group"
    thresholds = Thresholds.objects.filter(**in_group(app_group, "app_group"))
    failed_q = Q(first_failed_at__lte=now - deadlines.share_of_delivery(1))
    groups_by_minutes: dict[int, list[int]] = {}
    for group, minutes in thresholds.values_list("app_group", "backlog_minutes"):
        if minutes is not None:
            groups_by_minutes.setdefault(minutes, []).append(group)
    if groups_by_minutes:
        with_own = [group for groups in groups_by_minutes.values() for group in groups]
        failed_q &= ~Q(**{f"{path}__in": with_own})
    for minutes, groups in groups_by_minutes.items():
        failed_before = now - timedelta(minutes=minutes)
        failed_q |= Q(**{f"{path}__in": groups}, first_failed_at__lte=failed_before)
    return failed_q


def in_group(app_group: int | None, path: str) -> dict[str, int]:
    """Return the keywords of a filter by group, along ``path``; none for all groups."""
    return {} if app_group is None else {path: app_group}
