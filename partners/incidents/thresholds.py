"""Troubles that are thresholds: people are errored, an ad account fills up, an audience is small.

Nothing is broken, but ads or people may be lost without action.
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
from partners.incidents.present import Trouble, in_group, needed
from partners.models import Action, AdAccount, Audience, Sync, TallyHour, Thresholds

CODES = (ERROR_SHARE, NEARLY_FULL, TOO_SMALL)
"""Codes that warn: nothing is held."""
MOST_ERRORED_PERCENT = 5
FEWEST_ERRORED = 20
"""A share of fewer people says nothing yet."""
ERROR_HOURS = timedelta(hours=2)
ROOM = 10
"""So many audiences before the limit of an ad account, its members are warned."""
MATCHING = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class Limits:
    """From when a group is warned; ``fewest_people`` is None if the partner says it."""

    error_percent: int = MOST_ERRORED_PERCENT
    audiences_left: int = ROOM
    fewest_people: int | None = None

    def least(self, partner: Partner) -> int:
        """Return how many matched people an audience should have."""
        own = self.fewest_people
        return partner.smallest_audience if own is None else own


def of_group(app_group: AppGroup) -> Limits:
    """Return the limits of a group; one query at the first call."""
    own: Thresholds | None = getattr(app_group, "thresholds", None)
    if own is None:
        return Limits()
    return Limits(
        MOST_ERRORED_PERCENT if own.error_percent is None else own.error_percent,
        ROOM if own.audiences_left is None else own.audiences_left,
        own.fewest_people,
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
    """Return the steps of which a share of the people was errored within the last two hours."""
    lately = TallyHour.objects.filter(
        hour__gte=now - ERROR_HOURS,
        sync__is_live=True,
        sync__app_group__archived_at=None,
        **in_group(app_group, "sync__app_group"),
    )
    sums = (
        lately.order_by()
        .values("sync", "sync__app_group")
        .annotate(n_errored=Sum("errored"), n_synced=Sum("synced"))
    )
    ended = F("n_errored") + F("n_synced")
    percent = Coalesce("sync__app_group__thresholds__error_percent", Value(MOST_ERRORED_PERCENT))
    many = sums.annotate(percent=percent, hundredfold=F("n_errored") * 100).filter(
        hundredfold__gt=ended * F("percent"), n_errored__gte=FEWEST_ERRORED
    )
    return [Trouble(row["sync__app_group"], "sync", row["sync"], ERROR_SHARE) for row in many]


def _nearly_full(app_group: int | None) -> list[Trouble]:
    used = needed().filter(audience__ad_account=OuterRef("pk"))
    left = Coalesce("connection__app_group__thresholds__audiences_left", Value(ROOM))
    full = Q(pk__in=[])
    for partner in registry.PARTNERS:
        least = Value(partner.max_audiences_per_ad_account) - left
        full |= Q(connection__partner=partner.key, n_audiences__gte=least)
    rows = AdAccount.objects.filter(
        full, Exists(used), is_chosen=True, **in_group(app_group, AdAccount.GROUP_PATH)
    )
    return [
        Trouble(row.connection.app_group_id, "ad_account", row.pk, NEARLY_FULL)
        for row in rows.exclude(connection__token_sealed="").select_related("connection")
    ]


def _too_small(app_group: int | None, *, now: datetime) -> list[Trouble]:
    """Return audiences whose people were matched long ago, and are too few for ads."""
    # By the hours since then: older ones may not be kept.
    late = TallyHour.objects.filter(sync=OuterRef("pk"), hour__gt=now - MATCHING).order_by()
    n_late = late.values("sync").annotate(n=Sum("synced")).values("n")
    adds = Sync.objects.filter(
        audience=OuterRef("pk"),
        is_live=True,
        action=Action.ADD,
        tally__synced__gt=Coalesce(Subquery(n_late), 0),
    )
    own = f"{Audience.GROUP_PATH}__thresholds__fewest_people"
    few = Q(pk__in=[])
    for partner in registry.PARTNERS:
        least = Coalesce(own, Value(partner.smallest_audience))
        few |= Q(ad_account__connection__partner=partner.key, size__lt=least)
    rows = Audience.objects.filter(
        few,
        Exists(adds),
        gone_at=None,
        ad_account__connection__app_group__archived_at=None,
        **in_group(app_group, Audience.GROUP_PATH),
    )
    return [
        Trouble(row.ad_account.connection.app_group_id, "audience", row.pk, TOO_SMALL)
        for row in rows.select_related("ad_account__connection")
    ]
