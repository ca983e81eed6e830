"""Move the people who wait at a step that is removed."""

from __future__ import annotations

from datetime import datetime

from canvases.engine import movement, rows
from canvases.models import LeftBy, Step, Visit


def clear(step: Step, *, to: Step | None, now: datetime) -> int:
    """Move all people who wait at a step to another one, or out of the canvas; return how many.

    They count as withdrawn: the step did not act on them. Call it under the lock of the canvas.
    """
    waiting = Visit.objects.filter(step=step, left_at=None)
    if to is None:
        n = waiting.update(step=None, due_at=None, branch=None, left_at=now, left_by=LeftBy.REMOVED)
        rows.count_exits(step.canvas, LeftBy.REMOVED, n)
    else:
        n = movement.move(waiting, to, now=now)
        rows.arrive(to, n)
    rows.leave(step.pk, n, to="withdrawn")
    return n
