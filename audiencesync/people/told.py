"""What an object of ``/users/track`` tells about a person: attributes, an event or a purchase, read strictly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from audiencesync.people import naming
from audiencesync.people.merging import BIGGEST, LONGEST_LIST, MOST_ATTRIBUTES, Edit, Inc
from audiencesync.people.models import Event
from audiencesync.people.naming import Refused

LONGEST_NAME = LONGEST_TEXT = 255
MOST_BYTES = 100_000
DEEPEST = 8
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
NOT_ATTRIBUTES = frozenset({*naming.PRIMARY, "_update_existing_only", "_merge_objects", "push_token_import", "app_id"})
NOT_PROPERTIES = frozenset({"time", "event_name"})
_NESTED = frozenset({"$add", "$remove", "$update"})  # of Braze, for lists of objects
_COLUMNS = {"idfa": "idfa", "google_ad_id": "gaid", "country": "country", "language": "language"}
_TRUTHS = ("ad_tracking_enabled", "ads_consent")
_FORMATS: dict[str, tuple[re.Pattern[str], str, str | Promise]] = {
    "country": (re.compile(r"[A-Za-z]{2}"), "BAD_COUNTRY", gettext_lazy("Write a country as ISO 3166-1, such as DE.")),
    "language": (re.compile(r"[A-Za-z-]{2,8}"), "BAD_LANGUAGE", gettext_lazy("Write a language as ISO 639-1: de.")),
    "dob": (re.compile(r"\d{4}-\d\d-\d\d", re.ASCII), "BAD_DATE_OF_BIRTH", gettext_lazy("Write a day as 2026-11-23.")),
    "gender": (re.compile(r"[MFONP]"), "BAD_GENDER", gettext_lazy("Use M, F, O, N or P.")),
    "email_subscribe": (
        re.compile(r"opted_in|subscribed|unsubscribed"),
        "BAD_EMAIL_SUBSCRIPTION_STATE",
        gettext_lazy("Use opted_in, subscribed or unsubscribed."),
    ),
    "idfa": (re.compile(r"\S{1,64}"), "BAD_DEVICE_ID", gettext_lazy("This is not a device ID.")),
    "google_ad_id": (re.compile(r"\S{1,64}"), "BAD_DEVICE_ID", gettext_lazy("This is not a device ID.")),
}


def attributes(item: Mapping[str, Any]) -> tuple[dict[str, str | bool | None], dict[str, Any]]:
    """Columns of the profile, and custom attributes. Raises Refused."""
    fields: dict[str, str | bool | None] = {}
    custom: dict[str, Any] = {}
    for name, value in item.items():
        if name in _READERS:
            fields |= _READERS[name](name, value)
        elif name not in NOT_ATTRIBUTES:
            custom[_name(name)] = _attribute(name, value)
    if len(custom) > MOST_ATTRIBUTES or len(json.dumps(item)) > MOST_BYTES:
        raise Refused("TOO_LARGE", gettext_lazy("The object is too large."))
    return fields, custom


def _text(name: str, value: object) -> dict[str, str | bool | None]:
    if value is not None:
        _check_format(name, value)
    column = _COLUMNS[name]
    return {column: value.upper() if column == "country" and isinstance(value, str) else value}  # type: ignore[dict-item]  # a text, as the pattern says


def _check_format(name: str, value: object) -> None:
    pattern, code, message = _FORMATS[name]
    if not isinstance(value, str) or not pattern.fullmatch(value) or (name == "dob" and not _is_day(value)):
        raise Refused(code, message, name)


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _truth(name: str, value: object) -> dict[str, str | bool | None]:
    if value is not None and not isinstance(value, bool):
        raise Refused("NOT_A_TRUTH", gettext_lazy("It must be true, false or null."), name)
    return {name: value}


def _email(name: str, value: object) -> dict[str, str | bool | None]:
    return {name: None if value is None else naming.email(value)}


def _phone(name: str, value: object) -> dict[str, str | bool | None]:
    return {name: None if value is None else naming.phone(value)}


def _devices(name: str, value: object) -> dict[str, str | bool | None]:
    """The shape in which Braze exports devices. A profile keeps one id of each kind: the last. null deletes the ids."""
    if value is None:
        return {"idfa": None, "gaid": None}
    if not isinstance(value, list) or not all(isinstance(device, dict) for device in value):
        raise Refused("BAD_DEVICES", gettext_lazy("It must be a list of objects."), name)
    fields: dict[str, str | bool | None] = {}
    for device in value:
        for part in ("idfa", "google_ad_id"):
            if device.get(part) is not None:
                fields |= _text(part, device[part])
        if device.get("ad_tracking_enabled") is not None:
            fields |= _truth("ad_tracking_enabled", device["ad_tracking_enabled"])
    return fields


_READERS: dict[str, Callable[[str, object], dict[str, str | bool | None]]] = {
    "email": _email,
    "phone": _phone,
    "devices": _devices,
    **dict.fromkeys(_COLUMNS, _text),
    **dict.fromkeys(_TRUTHS, _truth),
}


def _name(name: str) -> str:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise Refused("BAD_NAME", gettext_lazy("A name must have 1 to 255 characters."))
    return name


def _attribute(name: str, value: Any) -> Any:
    """A value to set, None to delete, or what to do with the stored one."""
    if name in _FORMATS and value is not None:
        _check_format(name, value)
    if isinstance(value, dict) and not _NESTED.isdisjoint(value):
        raise Refused("NOT_SUPPORTED", gettext_lazy("Parts of an object cannot be changed: send it whole."), name)
    if isinstance(value, dict) and value.keys() == {"inc"}:
        return Inc(_number(value["inc"], name))
    if isinstance(value, dict) and value and value.keys() <= {"add", "remove"}:
        add, remove = (tuple(_checked(_listed(value.get(verb, []), name), name)) for verb in ("add", "remove"))
        return Edit(add, remove)
    return _checked(value, name)


def _number(value: Any, name: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > BIGGEST:
        raise Refused("NOT_A_NUMBER", gettext_lazy("It must be a number, not too big."), name)
    return value


def _listed(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise Refused("NOT_A_LIST", gettext_lazy("It must be a list."), name)
    return value


def _checked(value: Any, name: str, depth: int = 0) -> Any:
    """The value, if it may be stored."""
    if depth > DEEPEST:
        raise Refused("TOO_DEEP", gettext_lazy("It is nested more than 8 deep."), name)
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise Refused("TEXT_TOO_LONG", gettext_lazy("A text is longer than 255 characters."), name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _number(value, name)
    elif isinstance(value, dict):
        for inner_name, inner in value.items():
            _checked(inner, _name(inner_name) and name, depth + 1)
    elif isinstance(value, list):
        if len(value) > LONGEST_LIST:
            raise Refused("TOO_MANY_VALUES", gettext_lazy("A list has more than 500 values."), name)
        for inner in value:
            _checked(inner, name, depth + 1)
    return value


def event(item: Mapping[str, Any], *, now: datetime) -> Event:
    """An event without its person, unsaved. Raises Refused."""
    return Event(name=_title(item, "name"), at=_moment(item, now), properties=_properties(item))


def purchase(item: Mapping[str, Any], *, now: datetime) -> Event:
    """A purchase without its person, unsaved. Raises Refused."""
    currency, quantity = item.get("currency"), item.get("quantity", 1)
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Za-z]{3}", currency):
        raise Refused("BAD_CURRENCY", gettext_lazy("Write a currency as ISO 4217, such as EUR."), "currency")
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= 100:
        raise Refused("BAD_QUANTITY", gettext_lazy("It must be a number from 1 to 100."), "quantity")
    price = _number(item.get("price"), "price")
    if abs(price) >= 10**13:
        raise Refused("NOT_A_NUMBER", gettext_lazy("It must be a number, not too big."), "price")
    return Event(
        kind=Event.Kind.PURCHASE,
        name=_title(item, "product_id"),
        at=_moment(item, now),
        properties=_properties(item),
        price=Decimal(str(price)).quantize(Decimal("0.0001")),
        currency=currency.upper(),
        quantity=quantity,
    )


def _title(item: Mapping[str, Any], field: str) -> str:
    value = item.get(field)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME:
        raise Refused("BAD_NAME", gettext_lazy("A name must have 1 to 255 characters."), field)
    return value


def _moment(item: Mapping[str, Any], now: datetime) -> datetime:
    """ISO 8601; without an offset UTC; the future is now."""
    value = item.get("time")
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and len(value) > 10 else None
        at = at if at is None or at.tzinfo else at.replace(tzinfo=UTC)
        if at is not None and at >= OLDEST:
            return min(at, now).astimezone(UTC)  # PostgreSQL does not know every offset that Python knows
    except (ValueError, OverflowError):
        pass
    raise Refused("BAD_TIME", gettext_lazy("Write a moment as ISO 8601: 2026-11-23T14:05:00Z."), "time")


def _properties(item: Mapping[str, Any]) -> dict[str, Any]:
    found = item.get("properties")
    if found is None:
        return {}
    if not isinstance(found, dict) or any(name.startswith("$") or name in NOT_PROPERTIES for name in found):
        raise Refused("BAD_PROPERTIES", gettext_lazy("It must be an object; names do not start with $."), "properties")
    if len(json.dumps(found)) > MOST_BYTES:
        raise Refused("TOO_LARGE", gettext_lazy("The object is too large."), "properties")
    return dict(_checked(found, "properties"))
