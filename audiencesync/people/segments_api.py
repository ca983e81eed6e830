"""REST: the segments of a group."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router

from audiencesync.groups import rest
from audiencesync.groups.listing import Listing, number
from audiencesync.people import segments
from audiencesync.people.models import Segment

router = Router(tags=["segments"])
READ = rest.require("segments.read")


class Segments(rest.Success):
    """At most 100 a page."""

    segments: list[dict[str, object]]


class SegmentDetails(rest.Success):
    """One segment. ``size``: people in it now; null if its filter can no longer be read."""

    id: str
    name: str
    created_at: str
    updated_at: str
    description: str
    tags: list[str]
    teams: list[str]
    filter: dict[str, object]
    size: int | None


@router.get("/segments/list", auth=READ, response={200: Segments} | rest.ERRORS, summary="List segments")
def list_segments(request: rest.ApiRequest, asked: Query[Listing]) -> HttpResponse:
    """A hundred a page, the oldest first."""
    rows = asked.of(Segment.objects.filter(app_group=request.app_group))
    found = [{"id": str(row.pk), "name": row.name, "analytics_tracking_enabled": False, "tags": []} for row in rows]
    return rest.success(segments=found)


@router.get("/segments/details", auth=READ, response={200: SegmentDetails} | rest.ERRORS, summary="Read one segment")
def segment_details(request: rest.ApiRequest, segment_id: str) -> HttpResponse:
    """What it asks for, and how many are in it now."""
    row = Segment.objects.filter(app_group=request.app_group, pk=number(segment_id, "segment_id")).first()
    if row is None:
        raise rest.ApiError(400, _("There is no such segment in this app group."))
    return rest.success(
        id=str(row.pk),
        name=row.name,
        created_at=row.created_at.isoformat(),
        updated_at=row.updated_at.isoformat(),
        description="",
        tags=[],
        teams=[],
        filter=row.filter,
        size=segments.counts([row])[row.pk],
    )
