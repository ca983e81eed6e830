"""The visits of a canvas, as lists read them: by an index that no other query uses."""

from __future__ import annotations

from django.db.models import BigIntegerField, F, Func, QuerySet

from canvases.models import Canvas, Step, Visit

FEW = 20_000  # visits that are sorted for each page


class Unindexed(Func):
    """A column as an expression of its value: only an index of that expression serves it."""

    template = "(%(expressions)s + 0)"
    output_field = BigIntegerField()


def of_canvas(canvas: Canvas | int) -> QuerySet[Visit]:
    """Return the visits of a canvas by the index "visit_of_canvas".

    Not by the column: an index of that would tempt PostgreSQL, while its statistics do not know a
    new canvas yet, to read all of its visits for each crowd that enters or goes on.
    """
    pk = canvas if isinstance(canvas, int) else canvas.pk
    return Visit.objects.alias(of_canvas=Unindexed(F("canvas_id"))).filter(of_canvas=pk)


def waiting_at(step: Step, n: int) -> QuerySet[Visit]:
    """Return the visits that wait at a step, of which there are about ``n``.

    A few are found by their step and sorted; of many, the visits of the canvas are walked through.
    """
    if n <= FEW:
        return Visit.objects.filter(step=step, left_at=None)
    of_step = of_canvas(step.canvas_id).alias(at_step=Unindexed(F("step_id")))
    return of_step.filter(at_step=step.pk, left_at=None)
