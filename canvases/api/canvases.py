"""REST: list canvases, read their numbers, and let people enter by a call."""

from __future__ import annotations

import json
import secrets
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Query, Router, Schema
from pydantic import WithJsonSchema

from audiencesync.rest import door, strict_json
from audiencesync.rest.pagination import Listing, api_id, timestamp
from canvases import engine
from canvases.api import details, series
from canvases.api import trigger as api_trigger
from canvases.models import Canvas

router = Router(tags=["canvas"])
READ = door.require("canvas.read")
MAX_RECIPIENTS = 50


class CanvasListing(Listing):
    """Page, whether to include archived canvases, and the earliest time of the last edit."""

    include_archived: bool = False
    edited_after: door.Timestamp | None = Field(None, alias="last_edit.time[gt]")


class Canvases(door.Success):
    """At most 100 canvases a page."""

    canvases: list[dict[str, object]]


@router.get(
    "/canvas/list", auth=READ, response={200: Canvases} | door.ERRORS, summary="List canvases"
)
def list_canvases(request: door.ApiRequest, asked: Query[CanvasListing]) -> HttpResponse:
    """Return the canvases, 100 a page, the oldest first."""
    rows = Canvas.objects.filter(app_group=request.app_group)
    if not asked.include_archived:
        rows = rows.exclude(state=Canvas.State.ARCHIVED)
    if asked.edited_after is not None:
        rows = rows.filter(edited_at__gt=timestamp(asked.edited_after, "last_edit.time[gt]"))
    items = [
        {
            "id": str(row.api_id),
            "last_edited": row.edited_at.isoformat(),
            "name": row.name,
            "tags": [],
        }
        for row in asked.of(rows)
    ]
    return door.success(canvases=items)


@router.get(
    "/canvas/details",
    auth=READ,
    response={200: details.CanvasDetails} | door.ERRORS,
    summary="Read one canvas",
)
def canvas_details(request: door.ApiRequest, canvas_id: door.ApiId) -> HttpResponse:
    """Return the parts of a canvas, and whether people enter it."""
    return door.success(**details.of(_canvas(request, canvas_id)))


def _canvas(request: door.ApiRequest, canvas_id: str) -> Canvas:
    """Return a canvas of the group of the API key. Raise ApiError."""
    canvases = Canvas.objects.filter(
        app_group=request.app_group, api_id=api_id(canvas_id, "canvas_id")
    )
    canvas = canvases.select_related("app_group", "segment").first()
    if canvas is None:
        raise door.ApiError(400, "There is no such canvas in this app group.")
    return canvas


class DataSeries(Schema):
    """Days: ``length`` (1 to 14) of them, or from ``starting_at``, until ``ending_at``."""

    canvas_id: door.ApiId
    ending_at: door.Timestamp | None = Field(None, description="Now, if not given")
    starting_at: door.Timestamp | None = None
    length: int | None = Field(None, ge=1, le=series.MAX_DAYS)
    include_variant_breakdown: bool = False
    include_step_breakdown: bool = False
    include_deleted_step_data: bool = False


class Series(door.Success):
    """``data``: name, ``time_zone`` of the days, and one object per day in ``stats``.

    With ``include_step_breakdown`` also ``branch_totals``: id of a split -> ``name`` and
    ``entries`` of each branch since the first entry, whatever the days. Branches have no numbers
    by day. The name is null if the branch was removed.
    """

    data: dict[str, object]


@router.get(
    "/canvas/data_series",
    auth=READ,
    response={200: Series} | door.ERRORS,
    summary="Numbers of a canvas day by day",
)
def data_series(request: door.ApiRequest, asked: Query[DataSeries]) -> HttpResponse:
    """Return numbers by day, in the time zone of the app group.

    Steps that send to a partner have ``audience_sync`` in ``step_stats``.
    """
    canvas_data, days = _days(request, asked)
    return door.success(data=canvas_data | {"stats": days})


class DataSummary(DataSeries):
    """The same parameters as /canvas/data_series."""


class Summary(door.Success):
    """``data``: name, and the sums over all days; ``branch_totals`` as of /canvas/data_series."""

    data: dict[str, object]


@router.get(
    "/canvas/data_summary",
    auth=READ,
    response={200: Summary} | door.ERRORS,
    summary="Numbers of a canvas in sum",
)
def data_summary(request: door.ApiRequest, asked: Query[DataSummary]) -> HttpResponse:
    """Return the numbers of /canvas/data_series, added up over all days."""
    canvas_data, days = _days(request, asked)
    return door.success(
        data=canvas_data
        | {name: value for name, value in series.total(days).items() if name != "time"}
    )


def _days(
    request: door.ApiRequest, asked: DataSeries
) -> tuple[dict[str, object], list[dict[str, Any]]]:
    """Return name and time zone of the canvas, and its numbers by day. Raise ApiError."""
    canvas = _canvas(request, asked.canvas_id)
    days = series.stats(
        canvas,
        _span(asked, ZoneInfo(canvas.app_group.time_zone)),
        by_variant=asked.include_variant_breakdown,
        by_step=asked.include_step_breakdown,
        removed=asked.include_deleted_step_data,
    )
    canvas_data: dict[str, object] = {"name": canvas.name, "time_zone": canvas.app_group.time_zone}
    if asked.include_step_breakdown:
        canvas_data["branch_totals"] = series.branch_totals(
            canvas, removed=asked.include_deleted_step_data
        )
    return canvas_data, days


def _span(asked: DataSeries, zone: ZoneInfo) -> series.Span:
    """Return the requested days. Raise ApiError."""
    ending_at = (
        timezone.now() if asked.ending_at is None else timestamp(asked.ending_at, "ending_at")
    )
    if asked.length is not None:
        return series.Span.until(ending_at, days=asked.length, zone=zone)
    if asked.starting_at is None:
        raise door.ApiError(400, "Give length or starting_at.")
    first, last = (
        timestamp(asked.starting_at, "starting_at").astimezone(zone).date(),
        ending_at.astimezone(zone).date(),
    )
    if not 0 <= (last - first).days < series.MAX_DAYS:
        raise door.ApiError(400, "starting_at must lie at most 14 days before ending_at.")
    return series.Span(first, last, zone)


_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": True}
_Recipient = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "object",
            "properties": {
                "external_user_id": {"type": ["string", "integer"], "maxLength": 987},
                "user_alias": _OBJECT,
                "braze_id": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
                "email": {"type": "string"},
                "phone": {"type": ["string", "integer"]},
                "send_to_existing_only": {"type": "boolean", "default": True},
                "attributes": _OBJECT,
                "context": _OBJECT,
            },
        }
    ),
]


class Trigger(Schema):
    """Up to 50 recipients, or all people in the segment (``broadcast``).

    ``context`` is accepted and not used yet.
    """

    canvas_id: door.ApiId
    recipients: list[_Recipient] | None = Field(None, max_length=MAX_RECIPIENTS)
    broadcast: bool = False
    context: door.Object | None = None
    canvas_entry_properties: door.Object | None = None
    audience: Any = None


def _limit_of(body: strict_json.Json) -> str:
    """Return the name of the rate limit: broadcasts have one of their own."""
    return "broadcast" if isinstance(body, dict) and body.get("broadcast") else ""


class Sent(door.Success):
    """``entered``: number of entries, absent for a broadcast; ``notice``: why there was none."""

    dispatch_id: str
    entered: int | None = None
    notice: str | None = None


@router.post(
    "/canvas/trigger/send",
    auth=door.require("canvas.trigger", limit="trigger", also=_limit_of),
    response={201: Sent} | door.ERRORS,
    summary="Let people enter a canvas",
)
def trigger(request: door.ApiRequest, body: Trigger) -> HttpResponse:
    """Let people who are in the segment of a canvas enter it, within its rules of re-entry.

    The entry of the canvas is "by API", or "when launched"; others answer 400. If the canvas is
    not live, there are no entries, and the answer contains a notice.

    ``attributes`` and ``send_to_existing_only: false`` need the scope users.track as well.
    """
    canvas = _canvas(request, body.canvas_id)
    _check(body)
    _check_entry(canvas, body)
    if api_trigger.writes(body.recipients or ()):
        door.check_scope(request, "users.track")
    answer: dict[str, Any] = {"dispatch_id": secrets.token_hex(16)}
    if not body.recipients:
        engine.admit_all(canvas.pk)
        return door.success(
            201, **answer | _notice(canvas, is_live=canvas.state == Canvas.State.LIVE)
        )
    done = api_trigger.trigger(canvas, body.recipients, now=timezone.now())
    door.require_any_done(done.processed, done.errors)
    answer |= _notice(canvas, is_live=done.is_live)
    return door.success(201, errors=done.errors, entered=done.entered, **answer)


def _notice(canvas: Canvas, *, is_live: bool) -> dict[str, str]:
    if is_live:
        return {}
    text = "The canvas is %(state)s. No one enters before it is launched, and nothing was written."
    return {"notice": text % {"state": canvas.state}}


def _check_entry(canvas: Canvas, body: Trigger) -> None:
    """Raise ApiError if people do not enter this canvas by such a call."""
    if not canvas.enters_by_call:
        raise door.ApiError(
            400, f"This canvas is not API-triggered: {_ENTRY_WORDS[canvas.entry_by]}."
        )
    if body.broadcast and canvas.segment_id is None and canvas.state == Canvas.State.LIVE:
        raise door.ApiError(400, "The canvas has no segment to broadcast to: send recipients.")


_ENTRY_WORDS: dict[str, str] = {
    Canvas.EntryBy.SEGMENT: "people enter when they join its segment",
    Canvas.EntryBy.EVENT: "people enter when an event happens",
    Canvas.EntryBy.SCHEDULE: "people enter at the times of its schedule",
}


def _check(body: Trigger) -> None:
    """Raise ApiError if the parameters are invalid or do not go together."""
    if body.audience is not None:
        raise door.ApiError(
            400, "audience is not offered: put the filters into the segment of the canvas."
        )
    if bool(body.recipients) == body.broadcast:
        raise door.ApiError(
            400, "Send recipients, or broadcast: true for everybody in the segment of the canvas."
        )
    for context in (body.context, body.canvas_entry_properties):
        if context is not None and len(json.dumps(context)) > api_trigger.MAX_CONTEXT_BYTES:
            raise door.ApiError(
                400, f"The context is longer than {api_trigger.MAX_CONTEXT_BYTES} bytes."
            )
