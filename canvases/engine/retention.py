"""Delete the old numbers by hour of steps and canvases. Cards show tallies, which stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.db.models import F, Sum
from django.utils import timezone

from audiencesync.groups import retention
from canvases.models import Canvas, CanvasHour, StepHour


def beat() -> None:
    """Delete a bounded part of what is older than KEEP_STEP_HOURS_DAYS."""
    now = timezone.now()
    if before := retention.cutoff("step_hours", now=now):
        drop = partial(retention.delete_rows, StepHour.objects.filter(hour__lt=before))
        retention.walk_in_chunks("step_hours", StepHour.objects.all(), drop, now=now)
        entries = partial(_drop_entries, before=before)
        retention.walk_in_chunks("canvas_hours", CanvasHour.objects.all(), entries, now=now)


def _drop_entries(ids: Sequence[int], *, before: datetime) -> None:
    """Delete the rows of ``ids`` that are too old, and keep their sums (laws.py: L4)."""
    rows = CanvasHour.objects.filter(pk__in=ids, hour__lt=before)
    # Lock the canvases first, as the engine does before it counts.
    canvases = set(rows.values_list("canvas", flat=True))
    list(Canvas.objects.select_for_update(no_key=True).filter(pk__in=canvases).order_by("pk"))
    sums = rows.order_by().values_list("canvas").annotate(n=Sum("entered"))
    for canvas, n in list(sums):
        Canvas.objects.filter(pk=canvas).update(hours_base=F("hours_base") + n)
    rows.delete()
