"""Forecast when the pending people of a Sync are sent: the requests that they need, at which rate.

A lane is the queue of one ad account; its requests share a rate limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Avg, Count, Exists, Max, Min, OuterRef, Q, QuerySet, Sum
from django.utils.formats import number_format
from django.utils.translation import ngettext

from partners import risks
from partners.models import AdAccount, Batch, Push, Sync, lane_q
from partners.queue import budget, collect

MEASURED_WINDOW = timedelta(seconds=60)
MIN_SAMPLE = 5  # requests; after fewer, the rate is estimated
MAX_IN_FLIGHT = 8  # requests of one lane at the same time
DEFAULT_RESPONSE_MS = 300  # before any request was answered


@dataclass(frozen=True, slots=True)
class Pace:
    """The forecast for ``people`` who are pending. Unknown times are None.

    ``next_at``: when the next request is tried; None if it is due. ``done_at``: when all are sent.
    ``errored_at``: when the first of them count as errored. ``failing_since``: the first failure.
    ``per_second``: requests per second.
    """

    people: int
    next_at: datetime | None = None
    done_at: datetime | None = None
    errored_at: datetime | None = None
    failing_since: datetime | None = None
    per_second: float = 0.0

    @property
    def rate_text(self) -> str:
        """Return the rate in words, such as: 3 requests/s, 20 requests/min."""
        if self.per_second >= 1:
            n = round(self.per_second)
            return ngettext("%(n)s request/s", "%(n)s requests/s", n) % {"n": number_format(n)}
        n = max(1, round(60 * self.per_second))
        return ngettext("%(n)s request/min", "%(n)s requests/min", n) % {"n": number_format(n)}


def of_sync(sync: Sync, *, now: datetime) -> Pace | None:
    """Return when the people of a Sync and of its undoing Sync are sent; None if no one waits."""
    batches = risks.pending_batches_of(sync)
    totals = batches.order_by().aggregate(
        n_people=Sum("n"),
        first_due=Min("due_at"),
        last_due=Max("due_at"),
        first_deadline=Min("deadline_at"),
        first_failure=Min("first_failed_at"),
    )
    if not totals["n_people"]:
        return None
    ad_account = sync.audience.ad_account
    limit = budget.limit_of(collect.partner_of(ad_account), ad_account.lane)
    throttle = budget.next_try([limit.key, budget.lane_key(ad_account.lane)])
    # In a swap (the account is changed) nothing is sent. It ends by this time at the latest.
    paused_until = ad_account.connection.swap_until
    starts_at = max(totals["first_due"], throttle.at if throttle else now, paused_until or now, now)
    batches_ahead = risks.pending_batches().filter(
        lane_q(ad_account.lane, "ad_account__"), due_at__lte=max(totals["last_due"], now)
    )
    per_second = _measured_rate(ad_account, totals["first_due"], now=now) or _possible_rate(
        ad_account, limit, now=now
    )
    seconds = _n_requests(batches_ahead, ad_account, len(sync.kinds)) / per_second
    return Pace(
        people=totals["n_people"],
        next_at=starts_at if starts_at > now else None,
        done_at=max(starts_at + timedelta(seconds=seconds), totals["last_due"]),
        errored_at=totals["first_deadline"],
        failing_since=totals["first_failure"],
        per_second=per_second,
    )


def _n_requests(batches: QuerySet[Batch], ad_account: AdAccount, n_kinds: int) -> int:
    """Return a lower bound of the requests that batches need.

    Two batches over half the maximum never share a request; small ones fill the room that is left.
    """
    max_people = collect.max_people(collect.preset_of(ad_account), ad_account, n_kinds)
    is_large = Q(n__gt=max_people // 2) | Q(sharing=Batch.Sharing.ALONE)
    n_requests = 0
    totals = batches.order_by().values_list("ad_account", "action", "kinds")
    for *_key, people, n_large in totals.annotate(
        people=Sum("n"), n_large=Count("pk", filter=is_large)
    ):
        n_requests += max(n_large, -(-people // max_people))
    return n_requests


def _measured_rate(
    ad_account: AdAccount, waiting_since: datetime, *, now: datetime
) -> float | None:
    """Return the requests per second in the last minute, or since people began to wait.

    Return None if that time is too short or has too few requests.
    """
    since = max(now - MEASURED_WINDOW, waiting_since)
    n, seconds = _recent_requests(ad_account, since=since).count(), (now - since).total_seconds()
    return n / seconds if n >= MIN_SAMPLE and seconds >= 1 else None


def _recent_requests(ad_account: AdAccount, *, since: datetime) -> QuerySet[Push]:
    return Push.objects.filter(lane_q(ad_account.lane, "ad_account__"), at__gte=since)


def _possible_rate(ad_account: AdAccount, limit: budget.Limit, *, now: datetime) -> float:
    """Return the requests per second that the lane can reach.

    That is its share of the rate limit, but not more than response times allow.
    """
    requests = _recent_requests(ad_account, since=now - 10 * MEASURED_WINDOW)
    average_ms = requests.aggregate(average=Avg("ms"))["average"]
    fastest = MAX_IN_FLIGHT / (max(1.0, average_ms or DEFAULT_RESPONSE_MS) / 1000)
    if limit.lane:
        return min(limit.rate, fastest)
    partner = ad_account.connection.partner
    # One index lookup per ad account, instead of reading all pending batches.
    pending = risks.pending_batches().filter(ad_account=OuterRef("pk"))
    with_pending = AdAccount.objects.filter(Exists(pending), connection__partner=partner)
    n_lanes = with_pending.order_by().values_list("remote_id").distinct().count()
    return min(limit.rate / max(1, n_lanes), fastest)
