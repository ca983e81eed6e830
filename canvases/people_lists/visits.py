"""The visits of a canvas, as lists read them: by an index that no other query uses."""

from __future__ import annotations

from django.db.models import BigIntegerField, F, Func, QuerySet

from canvases.models import Canvas, Step, Visit

MAX_SORTED = 20_000  # visits that are sorted for each page


class Unindexed(Func):
    """A column plus 0: the planner can use no index of the column for it."""

    template = "(%(expressions)s + 0)"
    output_field = BigIntegerField()


def of_canvas(canvas: Canvas | int) -> QuerySet[Visit]:
    """Return the visits of a canvas. The query uses the index "visit_of_canvas" on ``canvas + 0``.

    The column itself has no index: while its statistics do not know a new canvas yet, PostgreSQL
    would use one to read all visits of the canvas for each crowd that enters or goes on.
    """
    pk = canvas if isinstance(canvas, int) else canvas.pk
    return Visit.objects.alias(of_canvas=Unindexed(F("canvas_id"))).filter(of_canvas=pk)


def waiting_at(step: Step, n: int) -> QuerySet[Visit]:
    """Return the visits that wait at a step, of which there are about ``n``.

    A few are found by their step and sorted. For many, the visits of the canvas are read in order.
    """
    if n <= MAX_SORTED:
        return Visit.objects.filter(step=step, left_at=None)
    of_step = of_canvas(step.canvas_id).alias(at_step=Unindexed(F("step_id")))
    return of_step.filter(at_step=step.pk, left_at=None)
