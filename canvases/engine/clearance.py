"""Move the people who wait at a step that is removed."""

from __future__ import annotations

from datetime import datetime

from canvases.engine import movement, rows, trails
from canvases.models import LeftBy, Step, Visit


def clear(step: Step, *, to: Step | None, now: datetime) -> int:
    """Move all people who wait at a step to another one, or out of the canvas; return how many.

    They count as withdrawn: the step did not act on them. Call it under the lock of the canvas.
    """
    waiting = Visit.objects.filter(step=step, left_at=None)
    gone = trails.withdrawn(step)
    if to is None:
        left = {"left_at": now, "left_by": LeftBy.REMOVED, "trail": trails.longer(gone)}
        n = waiting.update(step=None, due_at=None, branch=None, **left)
        rows.count_exits(step.canvas, LeftBy.REMOVED, n)
    else:
        n = movement.move(waiting, to, trail=gone, now=now)
        rows.arrive(to, n, now=now)
    rows.leave(step.pk, n, to="withdrawn", now=now)
    return n
