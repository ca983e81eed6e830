"""REST: write data of people, give them aliases, identify anonymous people."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from ninja import Field, Router, Schema
from pydantic import ConfigDict, WithJsonSchema

from audiencesync.people.api import identify
from audiencesync.people.api import track as tracking
from audiencesync.people.writing import lookup
from audiencesync.rest import door

MOST_NAMES = 50
router = Router(tags=["users"])

# A whole number is read as its decimal text.
_ID_TYPE: dict[str, Any] = {"type": ["string", "integer"], "maxLength": 987}
_ALIAS: dict[str, Any] = {
    "alias_name": _ID_TYPE,
    "alias_label": {"type": ["string", "integer"], "maxLength": 255},
}
_PERSON: dict[str, Any] = {
    "external_id": _ID_TYPE,
    "user_alias": {"type": "object", "required": list(_ALIAS), "properties": _ALIAS},
    "braze_id": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    "email": {"type": ["string", "null"], "maxLength": 254},
    "phone": {"type": ["string", "integer", "null"], "maxLength": 64},
    "_update_existing_only": {"type": ["boolean", "null"]},
}
_DEVICE: dict[str, Any] = {
    "idfa": {"type": ["string", "null"]},
    "google_ad_id": {"type": ["string", "null"]},
    "ad_tracking_enabled": {"type": ["boolean", "null"]},
}
_FIELDS: dict[str, Any] = {
    "ads_consent": {"type": ["boolean", "null"]},
    "country": {"type": ["string", "null"], "examples": ["DE"]},
    "language": {"type": ["string", "null"], "examples": ["de"]},
    "_merge_objects": {"type": ["boolean", "null"]},
    "devices": {"type": "array", "items": {"type": "object", "properties": _DEVICE}},
}
_PROPERTIES = {"type": "object", "additionalProperties": True}
_TIMESTAMP = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
_PURCHASE_FIELDS: dict[str, Any] = {
    "product_id": {"type": ["string", "integer"], "minLength": 1, "maxLength": 255},
    "currency": {"type": "string", "pattern": "^[A-Za-z]{3}$", "examples": ["EUR"]},
    "price": {"type": ["number", "string"]},
    "quantity": {"type": ["integer", "null"], "minimum": 1, "maximum": 100},
}


def _shape(properties: dict[str, Any], *required: str) -> WithJsonSchema:
    """Document the shape of an object. track.py checks each one, so a bad one fails alone."""
    shape = {"type": "object", "properties": properties}
    return WithJsonSchema(shape | {"required": list(required)} if required else shape)


_Attributes = Annotated[Any, _shape(_PERSON | _DEVICE | _FIELDS)]
_Event = Annotated[
    Any,
    _shape(
        _PERSON
        | {
            "name": {"type": "string", "minLength": 1, "maxLength": 255},
            "time": _TIMESTAMP,
            "properties": _PROPERTIES,
        },
        "name",
        "time",
    ),
]
_Purchase = Annotated[
    Any,
    _shape(
        _PERSON | _PURCHASE_FIELDS | {"time": _TIMESTAMP, "properties": _PROPERTIES},
        "product_id",
        "currency",
        "price",
        "time",
    ),
]


_EXAMPLE: dict[str, Any] = {
    "attributes": [
        {
            "external_id": "customer-1",
            "email": "maria@example.org",
            "phone": "+4915112345678",
            "ads_consent": True,
        },
        {
            "external_id": "customer-2",
            "google_ad_id": "38400000-8cf0-11bd-b23e-10b96e40000d",
            "plan": "gold",
        },
    ],
    "events": [
        {
            "external_id": "customer-1",
            "name": "cart",
            "time": "2026-11-23T14:05:00Z",
            "properties": {"n": 2},
        }
    ],
}


class Track(Schema):
    """Attributes, events and purchases of people, in three lists of at most 75 objects each."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    attributes: list[_Attributes] | None = None
    events: list[_Event] | None = None
    purchases: list[_Purchase] | None = None


class Tracked(door.Success):
    """Number of processed objects of each array; ``errors`` names the others by array and index."""

    attributes_processed: int | None = None
    events_processed: int | None = None
    purchases_processed: int | None = None


@router.post(
    "/users/track",
    auth=door.require("users.track", limit="track"),
    response={201: Tracked} | door.ERRORS,
    summary="Write attributes, events and purchases",
)
def track(request: door.ApiRequest, body: Track) -> HttpResponse:
    """Write the objects, each about one person.

    An object names its person by external_id, user_alias or braze_id, else by email, else by phone.
    """
    arrays = {name: getattr(body, name) or [] for name in tracking.ARRAYS}
    if not any(arrays.values()):
        raise door.ApiError(400, "Send objects in attributes, events or purchases.")
    if any(len(objects) > settings.API_MAX_OBJECTS for objects in arrays.values()):
        raise door.ApiError(400, f"Send at most {settings.API_MAX_OBJECTS} objects in each list.")
    result = tracking.track(request.app_group, arrays, now=timezone.now())
    door.require_any_done(sum(result.processed.values()), result.errors)
    counts = {f"{name}_processed": n for name, n in result.processed.items()}
    return door.success(201, errors=result.errors, **counts)


class Alias(Schema):
    """Another name of a person: a name under a label."""

    alias_name: door.TextId
    alias_label: door.TextId


_ID = {"external_id": _PERSON["external_id"]}
_PRIORITIZATION = {
    "prioritization": {"type": ["array", "null"], "items": {"enum": list(lookup.PRIORITIES)}}
}
_NewAlias = Annotated[Any, _shape(_ALIAS | _ID, *_ALIAS)]
_ByAlias = Annotated[
    Any, _shape(_ID | {"user_alias": _PERSON["user_alias"]}, "external_id", "user_alias")
]
_ByEmail = Annotated[
    Any, _shape(_ID | {"email": _PERSON["email"]} | _PRIORITIZATION, "external_id", "email")
]
_ByPhone = Annotated[
    Any, _shape(_ID | {"phone": _PERSON["phone"]} | _PRIORITIZATION, "external_id", "phone")
]


class NewAliases(Schema):
    """At most 50 aliases; an alias without an external ID creates a new person."""

    user_aliases: list[_NewAlias] = Field(max_length=MOST_NAMES)


class Identify(Schema):
    """At most 50 objects in all.

    The person with this alias, or with this e-mail or phone and no external ID, becomes the person
    with the given external ID. Of several people it is the one updated last, unless
    ``prioritization`` gives another order.
    """

    aliases_to_identify: list[_ByAlias] | None = Field(None, max_length=MOST_NAMES)
    emails_to_identify: list[_ByEmail] | None = Field(None, max_length=MOST_NAMES)
    phone_numbers_to_identify: list[_ByPhone] | None = Field(None, max_length=MOST_NAMES)


class AliasesProcessed(door.Success):
    """Number of processed aliases; ``errors`` names the others by array and index."""

    aliases_processed: int


@router.post(
    "/users/alias/new",
    auth=door.require("users.track", limit="users"),
    response={201: AliasesProcessed} | door.ERRORS,
    summary="Give aliases to people",
)
def alias_new(request: door.ApiRequest, body: NewAliases) -> HttpResponse:
    """Give aliases to people.

    An alias that its person already has counts as processed; an alias of another person is an
    error.
    """
    check_number(len(body.user_aliases))
    return answer(identify.add_aliases(request.app_group, body.user_aliases, now=timezone.now()))


def check_number(n: int) -> None:
    """Raise ApiError unless there is at least one object, and at most MOST_NAMES."""
    if not 1 <= n <= MOST_NAMES:
        raise door.ApiError(400, f"Send 1 to {MOST_NAMES} objects.")


def answer(result: identify.ProcessedObjects) -> HttpResponse:
    """Return the response for processed aliases. Raise ApiError if there are none."""
    door.require_any_done(result.processed, result.errors)
    return door.success(201, aliases_processed=result.processed, errors=result.errors)
