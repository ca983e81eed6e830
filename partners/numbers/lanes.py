"""Forecast when the pending people of many ad accounts are sent.

A lane is the queue of one ad account at the partner, which several groups may use. This module
makes four queries, and one for each partner. pace.py is more exact for one Sync.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Avg, Count, Max, Min, Q, Sum

from partners import registry, risks
from partners.base import Preset
from partners.models import AdAccount, Batch, Push
from partners.numbers import pace
from partners.queue import budget, collect

RATE_WINDOW = timedelta(seconds=10)
"""The time over which the present rate of requests is measured."""
MAX_KINDS = 4  # kinds of identifiers in one request


@dataclass(slots=True)
class LaneNumbers:
    """A lane: its rate limit, the requests that are due, and its rates in requests per second.

    ``measured_rate``: over the last minute; 0 if there were too few. ``current_rate``: over the
    last ten seconds.
    """

    ad_account: AdAccount
    limit: budget.Limit
    n_requests: float = 0.0
    measured_rate: float = 0.0
    seconds_per_request: float = pace.DEFAULT_RESPONSE_MS / 1000
    current_rate: float = 0.0

    def per_second(self, n_busy: int) -> float:
        """Return the measured rate; else its share of the limit, as far as response times allow."""
        if self.measured_rate:
            return self.measured_rate
        fastest = pace.MAX_IN_FLIGHT / max(0.001, self.seconds_per_request)
        share = self.limit.rate / max(1, 1 if self.limit.lane else n_busy)
        return min(share, fastest)


@dataclass(frozen=True, slots=True)
class Lanes:
    """The forecast, by id of the ad account.

    ``done_at``: when all who are due now are sent. ``used``, ``limits``: requests per second.
    """

    done_at: dict[int, datetime]
    used: dict[int, float]
    limits: dict[int, float]


def read(ad_accounts: Iterable[int], *, now: datetime) -> Lanes:
    """Return the forecast of these ad accounts."""
    ad_accounts_by_id = AdAccount.objects.select_related("connection").in_bulk(list(ad_accounts))
    lanes = {ad_account.lane: _lane(ad_account) for ad_account in ad_accounts_by_id.values()}
    n_busy = _add_due_requests(lanes, now=now)
    _add_measured_rates(lanes, now=now)
    starts_at = _next_request_at(lanes.values(), now=now)
    done_at = {}
    for pk, ad_account in ad_accounts_by_id.items():
        lane = lanes[ad_account.lane]
        if lane.n_requests:
            seconds = lane.n_requests / lane.per_second(n_busy[ad_account.connection.partner])
            done_at[pk] = starts_at[ad_account.lane] + timedelta(seconds=seconds)
    return Lanes(
        done_at,
        {pk: lanes[ad_account.lane].current_rate for pk, ad_account in ad_accounts_by_id.items()},
        {pk: lanes[ad_account.lane].limit.rate for pk, ad_account in ad_accounts_by_id.items()},
    )


def _lane(ad_account: AdAccount) -> LaneNumbers:
    return LaneNumbers(ad_account, budget.limit_of(collect.partner_of(ad_account), ad_account.lane))


def _add_due_requests(lanes: dict[str, LaneNumbers], *, now: datetime) -> dict[str, int]:
    """Add the due requests to the lanes; return partner -> how many of its lanes have any."""
    partners = {lane.ad_account.connection.partner for lane in lanes.values()}
    return {partner: _add_due_of_partner(partner, lanes, now=now) for partner in partners}


def _add_due_of_partner(partner: str, lanes: dict[str, LaneNumbers], *, now: datetime) -> int:
    """Add the due requests of one partner; return how many of its lanes have any.

    The partner's limits say which batches need a request of their own.
    """
    batches = risks.pending_batches().filter(ad_account__connection__partner=partner)
    due = batches.filter(due_at__lte=now).order_by()
    large_counts = _large_counts(registry.get(partner).preset)
    totals = due.values_list("ad_account__remote_id", "action", "kinds").annotate(
        people=Sum("n"), **large_counts
    )
    busy_lanes = set()
    for remote_id, _action, kinds, people, *n_large in totals:
        key = f"{partner}:{remote_id}"
        busy_lanes.add(key)
        if (lane := lanes.get(key)) is not None:
            n_kinds = min(MAX_KINDS, max(1, len(kinds)))
            max_people = collect.max_people(
                collect.preset_of(lane.ad_account), lane.ad_account, n_kinds
            )
            lane.n_requests += max(n_large[n_kinds - 1], -(-people // max_people))
    return len(busy_lanes)


def _large_counts(preset: Preset) -> dict[str, Count]:
    """Return counts of the batches that never share a request, for 1 to MAX_KINDS identifiers."""
    unlimited = AdAccount()  # an ad account without a learned cap
    return {
        f"large_{n}": Count(
            "pk",
            filter=Q(n__gt=collect.max_people(preset, unlimited, n) // 2)
            | Q(sharing=Batch.Sharing.ALONE),
        )
        for n in range(1, MAX_KINDS + 1)
    }


def _add_measured_rates(lanes: dict[str, LaneNumbers], *, now: datetime) -> None:
    """Add the rates of the requests within the last minute to the lanes."""
    requests = Push.objects.filter(at__gte=now - pace.MEASURED_WINDOW).order_by()
    by_lane = requests.values_list(
        "ad_account__connection__partner", "ad_account__remote_id"
    ).annotate(
        n=Count("pk"),
        first=Min("at"),
        last=Max("at"),
        ms=Avg("ms"),
        n_recent=Count("pk", filter=Q(at__gte=now - RATE_WINDOW)),
    )
    for partner, remote_id, n, first, last, ms, n_recent in by_lane:
        if (lane := lanes.get(f"{partner}:{remote_id}")) is None:
            continue
        lane.seconds_per_request = max(1.0, ms) / 1000
        lane.current_rate = n_recent / RATE_WINDOW.total_seconds()
        seconds = (last - first).total_seconds()
        if n >= pace.MIN_SAMPLE and seconds >= 1:
            lane.measured_rate = (n - 1) / seconds


def _next_request_at(lanes: Iterable[LaneNumbers], *, now: datetime) -> dict[str, datetime]:
    """Return lane -> when its next request is tried."""
    keys = {
        lane.ad_account.lane: (lane.limit.key, budget.lane_key(lane.ad_account.lane))
        for lane in lanes
    }
    throttles = budget.next_tries({key for lane_keys in keys.values() for key in lane_keys})
    return {
        lane: max([now, *(throttles[key].at for key in lane_keys if key in throttles)])
        for lane, lane_keys in keys.items()
    }
