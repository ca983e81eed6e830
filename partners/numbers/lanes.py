"""When the people who wait for each ad account are sent: all lanes at once.

Four queries, and one for each partner. pace.py says it more exactly for one Sync.
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

LOOKED_BACK = timedelta(seconds=60)
USED_LATELY = timedelta(seconds=10)
MOST_KINDS = 4


@dataclass(slots=True)
class LaneNumbers:
    """A remote ad account: its requests per second lately, its limit, and the work ahead."""

    ad_account: AdAccount
    limit: budget.Limit
    requests: float = 0.0
    measured: float = 0.0
    seconds_per_request: float = pace.USUAL_MS / 1000
    used: float = 0.0

    def per_second(self, n_busy: int) -> float:
        """Return the pace that is measured; else the one that is allowed to one of the lanes."""
        if self.measured:
            return self.measured
        fastest = pace.AT_ONCE / max(0.001, self.seconds_per_request)
        share = self.limit.rate / max(1, 1 if self.limit.lane else n_busy)
        return min(share, fastest)


@dataclass(frozen=True, slots=True)
class Lanes:
    """``done_at``: ad account -> when all who are due now are sent. ``used``: -> requests/s."""

    done_at: dict[int, datetime]
    used: dict[int, float]
    limits: dict[int, float]


def read(ad_accounts: Iterable[int], *, now: datetime) -> Lanes:
    """Return the forecast of some ad accounts."""
    rows = AdAccount.objects.select_related("connection").in_bulk(list(ad_accounts))
    lanes = {row.lane: _lane(row) for row in rows.values()}
    n_busy = _count_work(lanes, now=now)
    _measure(lanes, now=now)
    begins = _begins(lanes.values(), now=now)
    done_at = {}
    for pk, row in rows.items():
        lane = lanes[row.lane]
        if lane.requests:
            seconds = lane.requests / lane.per_second(n_busy[row.connection.partner])
            done_at[pk] = begins[row.lane] + timedelta(seconds=seconds)
    return Lanes(
        done_at,
        {pk: lanes[row.lane].used for pk, row in rows.items()},
        {pk: lanes[row.lane].limit.rate for pk, row in rows.items()},
    )


def _lane(row: AdAccount) -> LaneNumbers:
    return LaneNumbers(row, budget.limit_of(collect.partner_of(row), row.lane))


def _count_work(lanes: dict[str, LaneNumbers], *, now: datetime) -> dict[str, int]:
    """Add the requests that are due to the lanes; return how many lanes of a partner have any."""
    partners = {lane.ad_account.connection.partner for lane in lanes.values()}
    return {partner: _count_due(partner, lanes, now=now) for partner in partners}


def _count_due(partner: str, lanes: dict[str, LaneNumbers], *, now: datetime) -> int:
    """Do it for one partner: its limits say which batches travel alone."""
    batches = risks.pending_batches().filter(ad_account__connection__partner=partner)
    due = batches.filter(due_at__lte=now).order_by()
    large = _large(registry.get(partner).preset)
    rows = due.values_list("ad_account__remote_id", "action", "kinds").annotate(
        people=Sum("n"), **large
    )
    busy = set()
    for remote_id, _action, kinds, people, *n_large in rows:
        key = f"{partner}:{remote_id}"
        busy.add(key)
        if (lane := lanes.get(key)) is not None:
            n_kinds = min(MOST_KINDS, max(1, len(kinds)))
            most = collect.max_people(collect.preset_of(lane.ad_account), lane.ad_account, n_kinds)
            lane.requests += max(n_large[n_kinds - 1], -(-people // most))
    return len(busy)


def _large(preset: Preset) -> dict[str, Count]:
    """Count the batches that travel alone, for each number of identifiers of a person."""
    anywhere = AdAccount()  # without a limit of its own
    return {
        f"large_{n}": Count(
            "pk",
            filter=Q(n__gt=collect.max_people(preset, anywhere, n) // 2)
            | Q(sharing=Batch.Sharing.ALONE),
        )
        for n in range(1, MOST_KINDS + 1)
    }


def _measure(lanes: dict[str, LaneNumbers], *, now: datetime) -> None:
    """Add what was sent within the last minute to the lanes."""
    sent = Push.objects.filter(at__gte=now - LOOKED_BACK).order_by()
    rows = sent.values_list("ad_account__connection__partner", "ad_account__remote_id").annotate(
        n=Count("pk"),
        first=Min("at"),
        last=Max("at"),
        ms=Avg("ms"),
        lately=Count("pk", filter=Q(at__gte=now - USED_LATELY)),
    )
    for partner, remote_id, n, first, last, ms, lately in rows:
        if (lane := lanes.get(f"{partner}:{remote_id}")) is None:
            continue
        lane.seconds_per_request = max(1.0, ms) / 1000
        lane.used = lately / USED_LATELY.total_seconds()
        seconds = (last - first).total_seconds()
        if n >= pace.ENOUGH and seconds >= 1:
            lane.measured = (n - 1) / seconds


def _begins(lanes: Iterable[LaneNumbers], *, now: datetime) -> dict[str, datetime]:
    """Return lane -> when its next request is tried."""
    keys = {
        lane.ad_account.lane: (lane.limit.key, budget.lane_key(lane.ad_account.lane))
        for lane in lanes
    }
    slow = budget.next_tries({key for both in keys.values() for key in both})
    return {
        lane: max([now, *(slow[key].at for key in both if key in slow)])
        for lane, both in keys.items()
    }
