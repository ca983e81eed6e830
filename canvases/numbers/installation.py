"""The state of the whole installation, for staff. A constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Min, Q, Sum

from audiencesync.core.charts.bins import utc_midnight
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Erasure
from audiencesync.people.models.imports import Import
from canvases import metrics
from partners import registry
from partners.models import Incident, Push
from partners.queue import budget

LOOKED_BACK = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Used:
    """The requests per second that were sent lately, of those that the limit allows.

    ``lane``: the ad account that it is about; empty if all of a developer app share the limit.
    """

    partner: str
    lane: str
    per_second: float
    limit: float


@dataclass(frozen=True, slots=True)
class State:
    """``broken_laws``: None before the first check has ended.

    ``accepted``: app group -> the accepted people of today's requests, in per cent.
    """

    n_groups: int
    n_in_trouble: int
    accepted_share: float | None
    accepted: dict[int, float]
    used: list[Used]
    broken_laws: int | None
    checked_at: datetime | None
    n_imports: int
    n_erasures: int
    oldest_wait: datetime | None  # of imports and erasures


def read(*, now: datetime) -> State:
    """Return the state. Six queries."""
    imports = Import.objects.filter(state=Import.State.RUNNING).aggregate(
        n=Count("pk"), oldest=Min("created_at")
    )
    erasures = Erasure.objects.filter(state=Erasure.State.REMOVING).aggregate(
        n=Count("pk"), oldest=Min("requested_at")
    )
    waits = [one["oldest"] for one in (imports, erasures) if one["oldest"]]
    sent = _sent_today(now=now)
    n, accepted = (sum(counts) for counts in zip(*sent.values(), strict=True)) if sent else (0, 0)
    return State(
        n_groups=AppGroup.objects.filter(archived_at=None).count(),
        n_in_trouble=Incident.objects.open().values("app_group").distinct().count(),
        accepted_share=100 * accepted / n if n else None,
        accepted={pk: 100 * ok / n for pk, (n, ok) in sent.items() if n},
        used=_used(now=now),
        broken_laws=metrics.last_violations(),
        checked_at=metrics.kept.checked_at,
        n_imports=imports["n"],
        n_erasures=erasures["n"],
        oldest_wait=min(waits, default=None),
    )


def _sent_today(*, now: datetime) -> dict[int, tuple[int, int]]:
    """Return app group -> the people in today's requests, and in those that were accepted."""
    today = utc_midnight(now)
    rows = (
        Push.objects.filter(at__gte=today)
        .order_by()
        .values_list("ad_account__connection__app_group")
    )
    sums = rows.annotate(n=Sum("people"), ok=Sum("people", filter=Q(code=Push.ACCEPTED), default=0))
    return {pk: (n, ok) for pk, n, ok in sums}


def _used(*, now: datetime) -> list[Used]:
    """Return what was used of each limit that was used at all, the fullest first."""
    pushes = Push.objects.filter(at__gte=now - LOOKED_BACK).order_by()
    rows = pushes.values_list("ad_account__connection__partner", "ad_account__remote_id").annotate(
        n=Count("pk")
    )
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for partner, remote_id, n in rows:
        is_shared = registry.get(partner).preset.per == "app"
        counts[partner, "" if is_shared else remote_id] += n
    found = [
        Used(
            registry.get(partner).label,
            lane,
            n / LOOKED_BACK.total_seconds(),
            budget.limit_of(registry.get(partner), f"{partner}:{lane}").rate,
        )
        for (partner, lane), n in counts.items()
    ]
    return sorted(found, key=lambda one: -one.per_second / one.limit)
