"""Which canvases use segments: as their entry, as an exit, or in a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Q
from django.urls import reverse

from audiencesync.people.models import Segment
from audiencesync.people.segments.uses.usage import Use
from canvases.models import Canvas, ExitSegment, StepSegment


def of(segments: Sequence[Segment]) -> Iterator[tuple[int, Use]]:
    """Yield (primary key of the segment, canvas that uses it), by the names of the canvases."""
    wanted = {segment.pk for segment in segments}
    exits = ExitSegment.objects.filter(segment__in=wanted).values_list("canvas", "segment")
    by_step = StepSegment.objects.filter(segment__in=wanted, step__removed_at=None)
    found = {*exits, *by_step.values_list("step__canvas", "segment")}
    named = Q(segment__in=wanted) | Q(pk__in={canvas for canvas, _segment in found})
    canvases = Canvas.objects.filter(named).select_related("app_group").order_by("name", "pk")
    for canvas in canvases:
        url = reverse("canvas", args=[canvas.app_group.slug, canvas.pk])
        use = Use(canvas.name, url, is_live=canvas.state == Canvas.State.LIVE)
        mine = {segment for pk, segment in found if pk == canvas.pk}
        for pk in sorted(wanted & (mine | {canvas.segment_id})):
            yield pk, use
