"""REST: the segments of a group."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema

from audiencesync.people.models import Segment
from audiencesync.people.segments import edit as segments
from audiencesync.people.segments import filters
from audiencesync.people.writing import event_names
from audiencesync.rest import door
from audiencesync.rest.pagination import Listing, api_id, timestamp

router = Router(tags=["segments"])
READ = door.require("segments.read")
LONGEST = 100  # days
MOST_EVENTS = 250  # a page, as at Braze


class Segments(door.Success):
    """At most 100 segments a page."""

    segments: list[dict[str, object]]


class SegmentDetails(door.Success):
    """One segment.

    ``description``: its filter in words; ``text_description``: the description that was entered
    for it; ``size``: number of people in it now, null if its filter can no longer be read.
    """

    id: str
    name: str
    created_at: str
    updated_at: str
    description: str
    text_description: str
    tags: list[str]
    teams: list[str]
    filter: dict[str, object]
    size: int | None


@router.get(
    "/segments/list", auth=READ, response={200: Segments} | door.ERRORS, summary="List segments"
)
def list_segments(request: door.ApiRequest, asked: Query[Listing]) -> HttpResponse:
    """Return the segments, a hundred a page, the oldest first."""
    rows = asked.of(Segment.objects.filter(app_group=request.app_group))
    summaries = [
        {"id": str(row.api_id), "name": row.name, "analytics_tracking_enabled": False, "tags": []}
        for row in rows
    ]
    return door.success(segments=summaries)


@router.get(
    "/segments/details",
    auth=READ,
    response={200: SegmentDetails} | door.ERRORS,
    summary="Read one segment",
)
def segment_details(request: door.ApiRequest, segment_id: door.ApiId) -> HttpResponse:
    """Return what a segment filters by, and how many people are in it now."""
    row = _segment(request, segment_id)
    return door.success(
        id=str(row.api_id),
        name=row.name,
        created_at=row.created_at.isoformat(),
        updated_at=row.updated_at.isoformat(),
        description=_in_words(row),
        text_description=row.description,
        tags=[],
        teams=[],
        filter=row.filter,
        size=segments.counts([row])[row.pk],
    )


def _segment(request: door.ApiRequest, segment_id: str) -> Segment:
    """Return the segment of the API key's group. Raise ApiError."""
    row = Segment.objects.filter(
        app_group=request.app_group, api_id=api_id(segment_id, "segment_id")
    ).first()
    if row is None:
        raise door.ApiError(400, "There is no such segment in this app group.")
    return row


class SegmentSeries(Schema):
    """Days: ``length`` (1 to 100) of them, until ``ending_at``."""

    segment_id: door.ApiId
    length: int = Field(14, ge=1, le=LONGEST)
    ending_at: door.Timestamp | None = Field(None, description="Now, if not given")
    starting_at: door.Timestamp | None = None


class Sizes(door.Success):
    """``data``: time and size of each day for which the size is known."""

    data: list[dict[str, object]]


@router.get(
    "/segments/data_series",
    auth=READ,
    response={200: Sizes} | door.ERRORS,
    summary="Size of a segment day by day",
)
def segment_series(request: door.ApiRequest, asked: Query[SegmentSeries]) -> HttpResponse:
    """Return the size of today, if today is among the days asked for.

    Sizes of the past are not stored, so the answer has no other days.
    """
    row = _segment(request, asked.segment_id)
    now, zone = timezone.now(), ZoneInfo(row.app_group.time_zone)
    today = now.astimezone(zone).date()
    last = (
        (timestamp(asked.ending_at, "ending_at") if asked.ending_at else now)
        .astimezone(zone)
        .date()
    )
    if not last - timedelta(days=asked.length) < today <= last:
        return door.success(data=[])
    return door.success(data=[{"time": today.isoformat(), "size": segments.counts([row])[row.pk]}])


class Events(door.Success):
    """At most 250 names a page."""

    events: list[str]


@router.get(
    "/events/list",
    auth=READ,
    response={200: Events} | door.ERRORS,
    summary="List the names of events",
)
def list_events(request: door.ApiRequest, asked: Query[Listing]) -> HttpResponse:
    """Return the names of the events of people in the app group, each name once."""
    names = event_names.page(request.app_group, start=asked.page * MOST_EVENTS, n=MOST_EVENTS)
    return door.success(events=names)


def _in_words(row: Segment) -> str:
    """Return the filter as the page shows it; empty if it can no longer be read."""
    try:
        return filters.describe(row.filter)
    except filters.FilterError:
        return ""
