"""Troubles that begin at a threshold: errored people, a full ad account, a small audience.

Nothing is broken, but without action ads or people may be lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Exists, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from audiencesync.core import deadlines
from audiencesync.groups.models import AppGroup
from partners import registry
from partners.base import Partner
from partners.incidents.codes import ERROR_SHARE, NEARLY_FULL, TOO_SMALL
from partners.incidents.present import Trouble, in_group, relevant_syncs
from partners.models import Action, AdAccount, Audience, Sync, TallyHour, Thresholds

CODES = (ERROR_SHARE, NEARLY_FULL, TOO_SMALL)
"""Codes that only warn: all people are sent."""
MAX_ERRORED_PERCENT = 5
MIN_ERRORED = 20
"""With fewer errored people, their share is not significant."""
ERROR_WINDOW = timedelta(hours=2)
MIN_AUDIENCES_LEFT = 10
"""Members are warned if at most this many audiences still fit into an ad account."""
MATCH_TIME = timedelta(hours=48)
"""The time a partner needs to match people; before, the size of an audience says nothing."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits at which a group is warned. ``fewest_people`` None: the partner's own limit."""

    error_percent: int = MAX_ERRORED_PERCENT
    audiences_left: int = MIN_AUDIENCES_LEFT
    fewest_people: int | None = None

    def min_people(self, partner: Partner) -> int:
        """Return how many matched people an audience needs."""
        stored = self.fewest_people
        return partner.smallest_audience if stored is None else stored


def of_group(app_group: AppGroup) -> Limits:
    """Return the limits of a group; one query at the first call."""
    stored: Thresholds | None = getattr(app_group, "thresholds", None)
    if stored is None:
        return Limits()
    return Limits(
        MAX_ERRORED_PERCENT if stored.error_percent is None else stored.error_percent,
        MIN_AUDIENCES_LEFT if stored.audiences_left is None else stored.audiences_left,
        stored.fewest_people,
    )


def backlog_minutes() -> int:
    """Return after how many minutes of failures an ad account has a backlog, by default."""
    return round(deadlines.share_of_delivery(1) / timedelta(minutes=1))


def troubles(*, now: datetime, app_group: int | None = None) -> list[Trouble]:
    """Return the thresholds that are passed in one group, or in all; three queries."""
    return [
        *_error_shares(app_group, now=now),
        *_nearly_full(app_group),
        *_too_small(app_group, now=now),
    ]


def _error_shares(app_group: int | None, *, now: datetime) -> list[Trouble]:
    """Return the Syncs in which too large a share of people was errored in the last two hours."""
    hours = TallyHour.objects.filter(
        hour__gte=now - ERROR_WINDOW,
        sync__is_live=True,
        sync__app_group__archived_at=None,
        **in_group(app_group, "sync__app_group"),
    )
    sums = (
        hours.order_by()
        .values("sync", "sync__app_group")
        .annotate(n_errored=Sum("errored"), n_synced=Sum("synced"))
    )
    n_ended = F("n_errored") + F("n_synced")
    percent = Coalesce("sync__app_group__thresholds__error_percent", Value(MAX_ERRORED_PERCENT))
    exceeded = sums.annotate(percent=percent, hundredfold=F("n_errored") * 100).filter(
        hundredfold__gt=n_ended * F("percent"), n_errored__gte=MIN_ERRORED
    )
    return [Trouble(row["sync__app_group"], "sync", row["sync"], ERROR_SHARE) for row in exceeded]


def _nearly_full(app_group: int | None) -> list[Trouble]:
    syncs = relevant_syncs().filter(audience__ad_account=OuterRef("pk"))
    left = Coalesce("connection__app_group__thresholds__audiences_left", Value(MIN_AUDIENCES_LEFT))
    full_q = Q(pk__in=[])
    for partner in registry.PARTNERS:
        n_full = Value(partner.max_audiences_per_ad_account) - left
        full_q |= Q(connection__partner=partner.key, n_audiences__gte=n_full)
    ad_accounts = AdAccount.objects.filter(
        full_q, Exists(syncs), is_chosen=True, **in_group(app_group, AdAccount.GROUP_PATH)
    ).exclude(connection__token_sealed="")
    return [
        Trouble(ad_account.connection.app_group_id, "ad_account", ad_account.pk, NEARLY_FULL)
        for ad_account in ad_accounts.select_related("connection")
    ]


def _too_small(app_group: int | None, *, now: datetime) -> list[Trouble]:
    """Return audiences that are too small for ads although the partner had time to match people."""
    # All synced people minus those of the last hours: TallyHour may not keep older hours.
    late_hours = TallyHour.objects.filter(sync=OuterRef("pk"), hour__gt=now - MATCH_TIME).order_by()
    n_synced_late = late_hours.values("sync").annotate(n=Sum("synced")).values("n")
    adds = Sync.objects.filter(
        audience=OuterRef("pk"),
        is_live=True,
        action=Action.ADD,
        tally__synced__gt=Coalesce(Subquery(n_synced_late), 0),
    )
    own_limit = f"{Audience.GROUP_PATH}__thresholds__fewest_people"
    small_q = Q(pk__in=[])
    for partner in registry.PARTNERS:
        min_people = Coalesce(own_limit, Value(partner.smallest_audience))
        small_q |= Q(ad_account__connection__partner=partner.key, size__lt=min_people)
    audiences = Audience.objects.filter(
        small_q,
        Exists(adds),
        gone_at=None,
        ad_account__connection__app_group__archived_at=None,
        **in_group(app_group, Audience.GROUP_PATH),
    )
    return [
        Trouble(audience.ad_account.connection.app_group_id, "audience", audience.pk, TOO_SMALL)
        for audience in audiences.select_related("ad_account__connection")
    ]
