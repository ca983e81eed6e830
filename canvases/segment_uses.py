"""Which canvases use segments: as their entry, as an exit, or in a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.db.models import Q
from django.urls import reverse

from audiencesync.people.models import Segment
from audiencesync.people.segments.uses.usage import Use
from canvases.models import Canvas, ExitSegment, StepSegment


def of(segments: Sequence[Segment]) -> Iterator[tuple[int, Use]]:
    """Yield (primary key of the segment, canvas that uses it), ordered by the canvases' names."""
    segment_ids = {segment.pk for segment in segments}
    exits = ExitSegment.objects.filter(segment__in=segment_ids).values_list("canvas", "segment")
    by_step = StepSegment.objects.filter(segment__in=segment_ids, step__removed_at=None)
    pairs = {*exits, *by_step.values_list("step__canvas", "segment")}
    uses_q = Q(segment__in=segment_ids) | Q(pk__in={canvas for canvas, _segment in pairs})
    canvases = Canvas.objects.filter(uses_q).select_related("app_group").order_by("name", "pk")
    for canvas in canvases:
        url = reverse("canvas", args=[canvas.app_group.slug, canvas.pk])
        use = Use(canvas.name, url, is_live=canvas.state == Canvas.State.LIVE)
        used_ids = {segment for pk, segment in pairs if pk == canvas.pk}
        for pk in sorted(segment_ids & (used_ids | {canvas.segment_id})):
            yield pk, use
