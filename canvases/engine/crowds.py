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
    """Return the next crowd: of open visits at a step, those due the longest, at most CROWD.

    Return None if no visit is left. The condition has a lower and an upper end, as close together
    as possible. Without both ends, each statement of a crowd would read all other due visits, and
    the index entries of visits that have moved. These stay in the index as long as an old snapshot
    (a backup) needs them.

    ``after``: where the last crowd ended, so that the search does not read past those entries. This
    is only a hint, as visits may have arrived before that point: if no full crowd is behind it, all
    due visits are searched.
    """
    in_order = waiting.order_by("due_at", "pk").values_list("due_at", "pk")
    first_visit = in_order.first() if after is None else _next_after(in_order, after)
    if first_visit is None:
        return None if after is None else first(waiting)
    first_due, first_id = first_visit
    from_first = waiting.filter(due_at__gte=first_due)
    crowd_end = None
    if after is not None:  # many may be due at one time: begin behind the visits that moved
        crowd_end = _crowd_end(in_order.filter(due_at=first_due, pk__gte=first_id))
    crowd_end = crowd_end or _crowd_end(in_order.filter(due_at__gte=first_due))
    if crowd_end is None:
        return Crowd(from_first, None) if after is None else first(waiting)
    last_due, last_id = crowd_end
    if first_due == last_due:  # A million may be due at once: a delay until a date.
        return Crowd(waiting.filter(due_at=first_due, pk__range=(first_id, last_id)), crowd_end)
    return Crowd(
        from_first.filter(Q(due_at__lt=last_due) | Q(pk__lte=last_id), due_at__lte=last_due),
        crowd_end,
    )


def _next_after(in_order: QuerySet[Visit, Any], after: End) -> End | None:
    """Return due time and id of the first visit behind an end.

    There are two queries, so that each reads one range of the index.
    """
    at, pk = after
    same_time = in_order.filter(due_at=at, pk__gt=pk).first()
    return same_time or in_order.filter(due_at__gt=at).first()


def _crowd_end(in_order: QuerySet[Visit, Any]) -> End | None:
    """Return the last visit of a full crowd; None if there are fewer visits."""
    return in_order[CROWD - 1 : CROWD].first()


def move(visits: QuerySet[Visit], to: Step | None, *, trail: str, now: datetime) -> int:
    """Move visits to a step, or out of the canvas; return how many.

    ``trail``: the marks to append to their trails.
    """
    trail_then = trails.with_marks(trail)
    if to is None:
        return visits.update(step=None, due_at=None, branch=None, left_at=now, trail=trail_then)
    due_at = KINDS[to.kind].due_on_arrival(to, now=now)
    # The time under the lock, not ``now``: signals that were processed since ``now`` did not find
    # these visits at the step.
    arrived_at = max(now, timezone.now())
    return visits.update(
        step=to, due_at=due_at, branch=None, arrived_at=arrived_at, trail=trail_then
    )
