"""Move the people who wait at removed steps, crowd by crowd.

Canvases that are not live are included: their steps can be removed, though no other visit of them
moves.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from audiencesync.core.beat import wake
from canvases.engine import crowds, rows, trails
from canvases.models import Canvas, LeftBy, Step, Visit


def clear(step: Step, *, to: Step | None, now: datetime) -> None:
    """Move all people who wait at a removed step to another one, or out of the canvas.

    The first crowd moves at once, the periodic job moves the others. People who are still
    to be moved to this step, from one that was removed before, go to ``to`` as well. Call it under
    the lock of the canvas.
    """
    Step.objects.filter(clears_to=step).update(clears_to=to)
    Step.objects.filter(pk=step.pk).update(is_clearing=True, clears_to=to)
    if _clear_some(step, to, now=now) == crowds.CROWD:  # a full crowd: more wait
        wake(rows.TASK)


def with_work() -> QuerySet[Canvas]:
    """Return the canvases with people at removed steps."""
    steps = Step.objects.filter(canvas=OuterRef("pk"), is_clearing=True)
    return Canvas.objects.filter(Exists(steps), app_group__archived_at=None)


def work(canvas_id: int, *, now: datetime) -> int:
    """Move the next crowd from a removed step of a canvas; return how many people."""
    with transaction.atomic():
        Canvas.objects.select_for_update(of=("self",)).get(pk=canvas_id)
        clearing = Step.objects.filter(canvas=canvas_id, is_clearing=True).order_by("pk")
        # Load the group as well: a delay needs its time zone.
        step = clearing.select_related("clears_to__canvas__app_group").first()
        return _clear_some(step, step.clears_to, now=now) if step is not None else 0


def _clear_some(step: Step, to: Step | None, *, now: datetime) -> int:
    """Move the next crowd from a removed step; unset ``is_clearing`` when no person is left.

    The people count as withdrawn, because the step did not act on them. Return how many they are.
    """
    crowd = crowds.first(Visit.objects.filter(step=step))
    n = 0 if crowd is None else _move(crowd.visits, step, to, now=now)
    if n < crowds.CROWD:
        Step.objects.filter(pk=step.pk).update(is_clearing=False, clears_to=None)
    return n


def _move(crowd: QuerySet[Visit], step: Step, to: Step | None, *, now: datetime) -> int:
    mark = trails.withdrawn_mark(step)  # for the trail: the history of a visit
    if to is None:
        exit_columns = {"left_at": now, "left_by": LeftBy.REMOVED, "trail": trails.with_marks(mark)}
        n = crowd.update(step=None, due_at=None, branch=None, **exit_columns)
        rows.count_exits(step.canvas, LeftBy.REMOVED, n)
    else:
        n = crowds.move(crowd, to, trail=mark, now=now)
        rows.count_arrivals(to, n, now=now)
    rows.count_departures(step.pk, n, to="withdrawn", now=now)
    return n
