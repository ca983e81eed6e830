"""A crowd: visits that one transaction moves together."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils import timezone

from canvases.engine import trails
from canvases.models import Step, Visit
from canvases.steps import KINDS

CROWD = 10_000


def first(waiting: QuerySet[Visit]) -> QuerySet[Visit] | None:
    """Return the longest due of open visits at a step, at most CROWD; None if there are none.

    They are a condition, not a list of ids. It has one lower and one upper end, as near as can be:
    each statement of a crowd would read all others who are due, and what the index still holds of
    those who have moved.
    """
    in_order = waiting.order_by("due_at", "pk").values_list("due_at", "pk")
    if (lowest := in_order.first()) is None:
        return None
    since, low = lowest
    some = waiting.filter(due_at__gte=since)
    last = in_order.filter(due_at__gte=since)[CROWD - 1 : CROWD].first()
    if last is None:
        return some
    until, high = last
    if since == until:  # A million may be due at once: a delay until a date.
        return waiting.filter(due_at=since, pk__range=(low, high))
    return some.filter(Q(due_at__lt=until) | Q(pk__lte=high), due_at__lte=until)


def move(visits: QuerySet[Visit], to: Step | None, *, trail: str, now: datetime) -> int:
    """Move visits to a step, or out of the canvas; return how many. ``trail``: more marks."""
    longer = trails.longer(trail)
    if to is None:
        return visits.update(step=None, due_at=None, branch=None, left_at=now, trail=longer)
    due_at = KINDS[to.kind].due_on_arrival(to, now=now)
    # Under the lock: a signal that was worked off before did not see them here.
    arrived_at = max(now, timezone.now())
    return visits.update(step=to, due_at=due_at, branch=None, arrived_at=arrived_at, trail=longer)
