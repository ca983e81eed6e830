"""Pages and query parameters that the lists of the REST API share."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from ninja import Field, Schema

from audiencesync.core.web import sent_numbers
from audiencesync.groups import timestamps
from audiencesync.rest import door

M = TypeVar("M", bound=Model)
PAGE_SIZE = 100  # rows
MAX_PAGE = 10**6


class Listing(Schema):
    """A page of a list, from 0 on; a page past the end is empty."""

    page: int = Field(0, ge=0, le=MAX_PAGE)
    sort_direction: Literal["asc", "desc"] = "asc"

    def of(self, rows: QuerySet[M]) -> QuerySet[M]:
        """Return the rows of this page, oldest first by default."""
        order = "pk" if self.sort_direction == "asc" else "-pk"
        return rows.order_by(order)[self.page * PAGE_SIZE : (self.page + 1) * PAGE_SIZE]


def timestamp(text: str, name: str) -> datetime:
    """Parse a parameter such as 2026-11-23 or 2026-11-23T10:00:00Z. Raises ApiError."""
    at = timestamps.parse(text)
    if at is None or not 1970 <= at.year <= 9998:  # 9998: a local time may be a day later
        raise door.ApiError(400, f"{name} must be a time as ISO 8601 writes it.")
    return at


def api_id(text: str, name: str) -> UUID:
    """Parse the opaque id of a canvas, step, segment or audience. Raises ApiError."""
    try:
        return UUID(text)
    except ValueError:
        raise door.ApiError(400, f"{name} must be an id that this API returned.") from None


def numeric_id(text: str, name: str) -> int:
    """Parse an id that is a number, such as that of a delivery. Raises ApiError."""
    pk = sent_numbers.whole(text)
    if pk is None:
        raise door.ApiError(400, f"{name} must be an id that this API returned.")
    return pk
