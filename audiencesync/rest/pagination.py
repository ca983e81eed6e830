"""Query parameters that the lists of the REST API share, and one page of a list."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet
from ninja import Field, Schema

from audiencesync.groups import moments
from audiencesync.rest import door

M = TypeVar("M", bound=Model)
PAGE = 100
LAST_PAGE = 10**6
BIGGEST_ID = 2**63 - 1


class Listing(Schema):
    """Which page of a list; the first one is 0, past the end there is nobody."""

    page: int = Field(0, ge=0, le=LAST_PAGE)
    sort_direction: Literal["asc", "desc"] = "asc"

    def of(self, rows: QuerySet[M]) -> QuerySet[M]:
        """The rows of this page, oldest first unless told otherwise."""
        order = "pk" if self.sort_direction == "asc" else "-pk"
        return rows.order_by(order)[self.page * PAGE : (self.page + 1) * PAGE]


def moment(text: str, name: str) -> datetime:
    """A parameter like 2026-11-23 or 2026-11-23T10:00:00Z (see moments.py), in UTC. Raises ApiError."""
    found = moments.read(text)
    if found is None or not 1970 <= found.year <= 9998:
        raise door.ApiError(400, f"{name} must be a time as ISO 8601 writes it.")
    return found


def api_id(text: str, name: str) -> UUID:
    """The opaque id of a canvas, step, segment or audience. Raises ApiError."""
    try:
        return UUID(text)
    except ValueError:
        raise door.ApiError(400, f"{name} must be an id as this API gives them.") from None


def number(text: str, name: str) -> int:
    """An id as this API gives them. Raises ApiError."""
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= BIGGEST_ID):
        raise door.ApiError(400, f"{name} must be an id as this API gives them.")
    return int(text)
