"""The state of the whole installation, for staff. A constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Erasure
from audiencesync.people.models.imports import Import
from canvases import metrics
from partners import registry
from partners.models import Incident, Push
from partners.numbers import first_tries
from partners.queue import budget

LOOK_BACK = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class LimitUse:
    """The requests per second that were sent in the last seconds, and the rate limit for them.

    ``lane``: the ad account with this limit; empty if all ad accounts of a developer app share it.
    """

    partner: str
    lane: str
    per_second: float
    limit: float


@dataclass(frozen=True, slots=True)
class State:
    """Numbers about all app groups.

    ``first_try``: the percentage accepted at the first try, of the people first tried today;
    ``first_try_of``: the same by app group. ``broken_laws``: the number of violated invariants of
    the counts; None before the first check has ended.
    """

    n_groups: int
    n_in_trouble: int
    first_try: float | None
    first_try_of: dict[int, float]
    used: list[LimitUse]
    broken_laws: int | None
    checked_at: datetime | None
    n_imports: int
    n_erasures: int
    oldest_wait: datetime | None  # of imports and erasures


def read(*, now: datetime) -> State:
    """Return the state. Seven queries."""
    imports = Import.objects.filter(state=Import.State.RUNNING).aggregate(
        n=Count("pk"), oldest=Min("created_at")
    )
    erasures = Erasure.objects.filter(state=Erasure.State.REMOVING).aggregate(
        n=Count("pk"), oldest=Min("requested_at")
    )
    oldest_starts = [totals["oldest"] for totals in (imports, erasures) if totals["oldest"]]
    first_tries_of = first_tries.sums(first_tries.of_today(now=now), "sync__app_group")
    n, accepted = (
        (sum(counts) for counts in zip(*first_tries_of.values(), strict=True))
        if first_tries_of
        else (0, 0)
    )
    return State(
        n_groups=AppGroup.objects.filter(archived_at=None).count(),
        n_in_trouble=Incident.objects.open().values("app_group").distinct().count(),
        first_try=100 * accepted / n if n else None,
        first_try_of={pk: 100 * ok / n for pk, (n, ok) in first_tries_of.items()},
        used=_limit_uses(now=now),
        broken_laws=metrics.last_violations(),
        checked_at=metrics.cache.checked_at,
        n_imports=imports["n"],
        n_erasures=erasures["n"],
        oldest_wait=min(oldest_starts, default=None),
    )


def _limit_uses(*, now: datetime) -> list[LimitUse]:
    """Return the use of each limit that recent requests count for, the fullest first."""
    pushes = Push.objects.filter(at__gte=now - LOOK_BACK).order_by()
    rows = pushes.values_list("ad_account__connection__partner", "ad_account__remote_id").annotate(
        n=Count("pk")
    )
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for partner, remote_id, n in rows:
        is_shared = registry.get(partner).preset.per == "app"
        counts[partner, "" if is_shared else remote_id] += n
    uses = [
        LimitUse(
            registry.get(partner).label,
            lane,
            n / LOOK_BACK.total_seconds(),
            budget.limit_of(registry.get(partner), f"{partner}:{lane}").rate,
        )
        for (partner, lane), n in counts.items()
    ]
    return sorted(uses, key=lambda use: -use.per_second / use.limit)
