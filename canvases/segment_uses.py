"""Which canvases use segments: as their entry, as an exit, or in the condition of a branch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.db.models import Q
from django.urls import reverse

from audiencesync.people.models import Segment
from audiencesync.people.segments import filters
from audiencesync.people.segments.usage import Use
from canvases.models import Canvas, ExitSegment, Step
from canvases.steps import KINDS


def of(segments: Sequence[Segment]) -> Iterator[tuple[int, Use]]:
    """Yield (primary key of the segment, canvas that uses it), by the names of the canvases."""
    wanted = {segment.pk for segment in segments}
    exits = ExitSegment.objects.filter(segment__in=wanted).values_list("canvas", "segment")
    found = {*exits, *_in_branches(segments)}
    named = Q(segment__in=wanted) | Q(pk__in={canvas for canvas, _segment in found})
    canvases = Canvas.objects.filter(named).select_related("app_group").order_by("name", "pk")
    for canvas in canvases:
        url = reverse("canvas", args=[canvas.app_group.slug, canvas.pk])
        use = Use(canvas.name, url, is_live=canvas.state == Canvas.State.LIVE)
        mine = {segment for pk, segment in found if pk == canvas.pk}
        for pk in sorted(wanted & (mine | {canvas.segment_id})):
            yield pk, use


def _in_branches(segments: Sequence[Segment]) -> Iterator[tuple[int, int]]:
    """Yield (canvas, segment) for the filters of steps that divide people."""
    by_api_id = {str(segment.api_id): segment.pk for segment in segments}
    splits = [key for key, kind in KINDS.items() if kind.splits]
    groups = {segment.app_group_id for segment in segments}
    steps = Step.objects.filter(canvas__app_group__in=groups, kind__in=splits, removed_at=None)
    for step in steps:
        for branch in KINDS[step.kind].branches(step):
            if isinstance(branch.condition, Mapping):
                for api_id in filters.segments_in(branch.condition) & by_api_id.keys():
                    yield step.canvas_id, by_api_id[api_id]
