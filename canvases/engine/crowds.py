"""A crowd: visits that one transaction moves together."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from canvases.engine import trails
from canvases.models import Step, Visit
from canvases.steps import KINDS

CROWD = 10_000

End = tuple[datetime, int]  # due time and id of the last visit of a crowd
Ends = dict[int, End]  # step -> end of its last crowd


@dataclass(frozen=True, slots=True)
class Crowd:
    """Open visits at a step: a condition, not a list of ids. ``end``: None if it is not full."""

    visits: QuerySet[Visit]
    end: End | None


def first(waiting: QuerySet[Visit], *, after: End | None = None) -> Crowd | None:
    """Return the longest due of open visits at a step, at most CROWD; None if there are none.

    The condition has one lower and one upper end, as near as can be: each statement of a crowd
    would read all others who are due, and what the index still holds of those who have moved.

    ``after``: look behind this end for a full crowd. Without it PostgreSQL reads past all who have
    moved, as long as an old snapshot (a backup) keeps them in the index. It is a hint: some may
    have come before it, so that all are looked at if no full crowd is behind it.
    """
    in_order = waiting.order_by("due_at", "pk").values_list("due_at", "pk")
    lowest = in_order.first() if after is None else _behind(in_order, after)
    if lowest is None:
        return None if after is None else first(waiting)
    since, low = lowest
    some = waiting.filter(due_at__gte=since)
    last = _last(in_order.filter(due_at=since, pk__gte=low)) if after is not None else None
    last = last or _last(in_order.filter(due_at__gte=since))
    if last is None:
        return Crowd(some, None) if after is None else first(waiting)
    until, high = last
    if since == until:  # A million may be due at once: a delay until a date.
        return Crowd(waiting.filter(due_at=since, pk__range=(low, high)), last)
    return Crowd(some.filter(Q(due_at__lt=until) | Q(pk__lte=high), due_at__lte=until), last)


def _behind(in_order: QuerySet[Visit, Any], after: End) -> End | None:
    """Return the first behind an end. Two queries: each reads a range of the index."""
    at, pk = after
    same = in_order.filter(due_at=at, pk__gt=pk).first()
    return same or in_order.filter(due_at__gt=at).first()


def _last(in_order: QuerySet[Visit, Any]) -> End | None:
    return in_order[CROWD - 1 : CROWD].first()


def move(visits: QuerySet[Visit], to: Step | None, *, trail: str, now: datetime) -> int:
    """Move visits to a step, or out of the canvas; return how many. ``trail``: more marks."""
    longer = trails.longer(trail)
    if to is None:
        return visits.update(step=None, due_at=None, branch=None, left_at=now, trail=longer)
    due_at = KINDS[to.kind].due_on_arrival(to, now=now)
    # Under the lock: a signal that was worked off before did not see them here.
    arrived_at = max(now, timezone.now())
    return visits.update(step=to, due_at=due_at, branch=None, arrived_at=arrived_at, trail=longer)
