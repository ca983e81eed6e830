"""Read an object of ``/users/track``: attributes, an event or a purchase.

A field that cannot be read is left out and reported; the rest of its object is written. An
event needs a valid name and time, or it is rejected; a purchase also a currency and a price.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from audiencesync.groups import timestamps
from audiencesync.groups.models import AppGroup
from audiencesync.people.api import person_reference
from audiencesync.people.api.person_reference import ObjectError
from audiencesync.people.eligibility import DEVICE_KINDS
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Event
from audiencesync.people.parsers import placeholders, spellings
from audiencesync.people.parsers.numbers import BIGGEST
from audiencesync.people.writing import in_clear
from audiencesync.people.writing.attribute_changes import (
    LONGEST_LIST,
    MOST_ATTRIBUTES,
    MOST_BYTES,
    Edit,
    EditObjects,
    Inc,
    Merge,
)
from audiencesync.rest.strict_json import number_as_text

LONGEST_NAME = LONGEST_TEXT = 255
LONGEST_DEVICE_ID = 64
DEEPEST = 8  # levels of lists and objects
OLDEST = datetime(1970, 1, 1, tzinfo=UTC)
_NAME_FIELDS = ("first_name", "last_name")  # any text is a value in these: Null is a surname
# Standard fields of Braze that are stored as attributes.
STANDARD = (
    "first_name",
    "last_name",
    "dob",
    "gender",
    "home_city",
    "time_zone",
    "email_subscribe",
)
NOT_ATTRIBUTES = frozenset(
    {
        *person_reference.PRIMARY,
        "_update_existing_only",
        "_merge_objects",
        "push_token_import",
        "app_id",
    }
)
NOT_PROPERTIES = frozenset({"time", "event_name"})
_OBJECT_VERBS = frozenset({"$add", "$remove", "$update"})
_COLUMNS = {"idfa": "idfa", "google_ad_id": "gaid", "country": "country", "language": "language"}
# A comma before three digits may separate thousands, so at most two digits may follow a comma.
_PRICE = re.compile(r"-?\d{1,15}(?:[.,]\d{1,2}|\.\d{1,15})?", re.ASCII)
Fields = dict[str, str | bool | None]
Problems = list[ObjectError]


class Attributes(NamedTuple):
    """Columns of the profile, custom attributes, and errors of unreadable fields."""

    fields: Fields
    custom: dict[str, Any]
    problems: Problems


def attributes(item: Mapping[str, Any], app_group: AppGroup) -> Attributes:
    """Read the attributes of a person. Raise ObjectError if the whole object is rejected."""
    result = Attributes({}, {}, [])
    is_merge = person_reference.boolean(item, "_merge_objects") or False
    if len(json.dumps(item)) > MOST_BYTES:
        raise ObjectError("TOO_LARGE", "The object is too large.")
    for name, value in item.items():
        try:
            if name in _READERS:
                result.fields.update(_READERS[name](name, value, result.problems))
            elif name not in NOT_ATTRIBUTES and not _is_left_out(name, value):
                custom = _attribute(_require_name(name), value, is_merge=is_merge)
                refuse_addresses(name, custom, app_group, field=name)
                result.custom[name] = custom
        except ObjectError as problem:
            result.problems.append(problem)
    if len(result.custom) > MOST_ATTRIBUTES:
        raise ObjectError("TOO_LARGE", "The object is too large.")
    return result


def _is_left_out(name: str, value: object) -> bool:
    """Return whether a standard field holds a placeholder, which is a value in other attributes."""
    if name not in STANDARD or name in _NAME_FIELDS or not _is_placeholder(value):
        return False
    return name != "gender" or spellings.gender(str(value)) is None


def refuse_addresses(name: str, value: Any, app_group: AppGroup, *, field: str) -> None:
    """Raise ObjectError if a hash-only group would store an e-mail or phone in this value."""
    if app_group.hash_only and in_clear.holds_address(name, value, region=app_group.phone_region):
        raise ObjectError(
            "HASHES_ONLY",
            "The group stores only hashes: this holds an e-mail or phone number.",
            field,
        )


def is_blank(value: object) -> bool:
    """Return whether a field is null or a blank text, which deletes the stored value."""
    return value is None or (isinstance(value, str) and not value.strip())


def _day(text: str) -> str | None:
    """Return a day, or the day of a timestamp; None for other texts."""
    day = text[:10]
    is_day = re.fullmatch(r"\d{4}-\d\d-\d\d", day, re.ASCII) and (
        len(text) == 10 or timestamps.parse(text)
    )
    try:
        return date.fromisoformat(day).isoformat() if is_day else None
    except ValueError:
        return None


def _subscription(text: str) -> str | None:
    state = text.lower().replace("-", "_").replace(" ", "_")
    return state if state in ("opted_in", "subscribed", "unsubscribed") else None


def _device_id(text: str) -> str | None:
    """Return any id that is short enough: an unusable one is stored, and shown as such."""
    return text if len(text) <= LONGEST_DEVICE_ID else None


# Field -> its reader, and code and message of the error if it returns None.
_FORMATS: dict[str, tuple[Callable[[str], str | None], str, str]] = {
    "country": (
        spellings.country,
        "BAD_COUNTRY",
        "Write a country as ISO 3166-1, such as DE, or by its name.",
    ),
    "language": (
        spellings.language,
        "BAD_LANGUAGE",
        "Write a language as ISO 639-1, such as de, or by its name.",
    ),
    "dob": (_day, "BAD_DATE_OF_BIRTH", "Write a day as 2026-11-23."),
    "gender": (spellings.gender, "BAD_GENDER", "Use M, F, O, N or P."),
    "email_subscribe": (
        _subscription,
        "BAD_EMAIL_SUBSCRIPTION_STATE",
        "Use opted_in, subscribed or unsubscribed.",
    ),
    "idfa": (_device_id, "BAD_DEVICE_ID", "This is not a device ID."),
    "google_ad_id": (_device_id, "BAD_DEVICE_ID", "This is not a device ID."),
}


def _parse_standard(name: str, value: object) -> str | None:
    if is_blank(value):
        return None
    parse, code, message = _FORMATS[name]
    parsed = parse(value.strip()) if isinstance(value, str) else None
    if parsed is None:
        raise ObjectError(code, message, name)
    return parsed


def _is_placeholder(value: object) -> bool:
    """Return whether a value is a placeholder, such as n/a, which leaves the stored value."""
    return isinstance(value, str) and placeholders.is_empty_cell(value)


def _text_column(name: str, value: object, _problems: Problems) -> Fields:
    if name in ("country", "language") and _is_placeholder(value):
        return {}
    return {_COLUMNS[name]: _parse_standard(name, value)}


def _boolean(name: str, value: object, _problems: Problems) -> Fields:
    if is_blank(value):
        return {name: None}
    if _is_placeholder(value) and str(value).strip().casefold() not in placeholders.DENIALS:
        return {}
    text = number_as_text(value)
    parse = spellings.consent if name == "ads_consent" else spellings.boolean
    parsed = value if isinstance(value, bool) else parse(text) if isinstance(text, str) else None
    if parsed is None:
        raise ObjectError("NOT_A_BOOLEAN", "It must be true, false or null.", name)
    return {name: parsed}


def _email(name: str, value: object, _problems: Problems) -> Fields:
    if isinstance(value, str) and normalise.is_placeholder(value) and value.strip():
        return {}
    return {name: None if is_blank(value) else person_reference.email(value)}


def _phone(name: str, value: object, _problems: Problems) -> Fields:
    return {name: None if is_blank(value) else person_reference.phone(value)}


def _devices(name: str, value: object, problems: Problems) -> Fields:
    """Read devices in the shape of an export from Braze; null deletes the ids.

    A profile stores only one id of each kind: of several, the last. See `_joined_devices`.
    """
    if value is None:
        return {"idfa": None, "gaid": None}
    if not isinstance(value, list):
        raise ObjectError("BAD_DEVICES", "It must be a list of objects.", name)
    devices: list[Fields] = []
    for device in value:
        if not isinstance(device, dict):
            problems.append(ObjectError("BAD_DEVICES", "It must be a list of objects.", name))
            continue
        fields: Fields = {}
        for field in ("idfa", "google_ad_id", "ad_tracking_enabled"):
            try:
                if not is_blank(device.get(field)):
                    fields |= _READERS[field](field, device[field], problems)
            except ObjectError as problem:
                problems.append(problem)
        devices.append(fields)
    return _joined_devices(devices)


def _joined_devices(devices: Sequence[Fields]) -> Fields:
    """Return the fields of all devices together.

    A profile has one ``ad_tracking_enabled`` for all its ids. If one device allows tracking and
    another refuses it, the id of the refusing device is deleted. Otherwise it would be sent,
    because the other device allows tracking.
    """
    with_id = [device for device in devices if not device.keys().isdisjoint(DEVICE_KINDS)]
    refusing = [device for device in with_id if device.get("ad_tracking_enabled") is False]
    joined: Fields = {}
    if refusing and any(device.get("ad_tracking_enabled") is True for device in with_id):
        joined = {kind: None for device in refusing for kind in DEVICE_KINDS if kind in device}
        devices = [device for device in devices if device not in refusing]
    for device in devices:
        joined |= device
    return joined


_READERS: dict[str, Callable[[str, object, Problems], Fields]] = {
    "email": _email,
    "phone": _phone,
    "devices": _devices,
    **dict.fromkeys(_COLUMNS, _text_column),
    **dict.fromkeys(("ad_tracking_enabled", "ads_consent"), _boolean),
}


def _require_name(name: str) -> str:
    if not name.strip() or len(name) > LONGEST_NAME:
        raise ObjectError("BAD_NAME", "A name must have 1 to 255 characters.")
    return name


def _attribute(name: str, value: Any, *, is_merge: bool) -> Any:
    """Return a value to set, None to delete, or a change of the stored value."""
    if name in _FORMATS:
        return _parse_standard(name, value)
    if name in STANDARD and is_blank(value):
        return None
    if not isinstance(value, dict):
        return _require_storable(value, name)
    if not _OBJECT_VERBS.isdisjoint(value):
        return _edit_objects(name, value)
    if value.keys() == {"inc"}:
        return Inc(_number(value["inc"], name))
    if value and value.keys() <= {"add", "remove"}:
        add, remove = (
            tuple(_require_storable(_require_list(value.get(verb, []), name), name))
            for verb in ("add", "remove")
        )
        return Edit(add, remove)
    return Merge(_require_storable(value, name)) if is_merge else _require_storable(value, name)


def _edit_objects(name: str, value: dict[str, Any]) -> EditObjects:
    """Read objects to add to a list, to change and to remove in it, as Braze writes them."""
    if not value.keys() <= _OBJECT_VERBS:
        raise ObjectError("NOT_SUPPORTED", "Use $add, $update and $remove alone.", name)
    add, update, remove = (
        _require_list(value.get(verb, []), name) for verb in ("$add", "$update", "$remove")
    )
    _require_storable([*add, *update, *remove], name)
    if not all(isinstance(item, dict) for item in add):
        raise ObjectError("NOT_AN_OBJECT", "$add takes a list of objects.", name)
    changes = tuple((*_selector(name, item), _new_object(name, item)) for item in update)
    return EditObjects(tuple(add), changes, tuple(_selector(name, item) for item in remove))


def _selector(name: str, item: Any) -> tuple[str, Any]:
    """Return the key and the value that select the objects."""
    key = item.get("$identifier_key") if isinstance(item, dict) else None
    if not isinstance(key, str) or "$identifier_value" not in item:
        raise ObjectError("NOT_SUPPORTED", "It needs $identifier_key and $identifier_value.", name)
    return key, item["$identifier_value"]


def _new_object(name: str, item: dict[str, Any]) -> dict[str, Any]:
    new_object = item.get("$new_object")
    if not isinstance(new_object, dict):
        raise ObjectError("NOT_AN_OBJECT", "$new_object must be an object.", name)
    return new_object


def _number(value: Any, name: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > BIGGEST:
        raise ObjectError("NOT_A_NUMBER", "It must be a number, not too big.", name)
    return value


def _require_list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ObjectError("NOT_A_LIST", "It must be a list.", name)
    return value


def _require_storable(value: Any, name: str, depth: int = 0) -> Any:
    """Return the value if it may be stored. Raise ObjectError."""
    if depth > DEEPEST:
        raise ObjectError("TOO_DEEP", "It is nested more than 8 deep.", name)
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise ObjectError("TEXT_TOO_LONG", "A text is longer than 255 characters.", name)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _number(value, name)
    elif isinstance(value, dict):
        for inner_name, inner in value.items():
            _require_name(inner_name)
            _require_storable(inner, name, depth + 1)
    elif isinstance(value, list):
        if len(value) > LONGEST_LIST:
            raise ObjectError("TOO_MANY_VALUES", "A list has more than 500 values.", name)
        for inner in value:
            _require_storable(inner, name, depth + 1)
    return value


def event(
    item: Mapping[str, Any], problems: Problems, app_group: AppGroup, *, now: datetime
) -> Event:
    """Return an unsaved event without its profile. Raise ObjectError."""
    name = _event_name(item, "name")
    refuse_addresses("", name, app_group, field="name")
    return Event(
        name=name, at=_timestamp(item, now), properties=_properties(item, problems, app_group)
    )


def purchase(
    item: Mapping[str, Any], problems: Problems, app_group: AppGroup, *, now: datetime
) -> Event:
    """Return an unsaved purchase without its profile. Raise ObjectError."""
    product = _event_name(
        {**item, "product_id": number_as_text(item.get("product_id"))}, "product_id"
    )
    refuse_addresses("", product, app_group, field="product_id")
    currency = item.get("currency")
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Za-z]{3}", currency.strip()):
        raise ObjectError("BAD_CURRENCY", "Write a currency as ISO 4217, such as EUR.", "currency")
    return Event(
        kind=Event.Kind.PURCHASE,
        name=product,
        at=_timestamp(item, now),
        properties=_properties(item, problems, app_group),
        price=_price(item.get("price")),
        currency=currency.strip().upper(),
        quantity=_quantity(item.get("quantity")),
    )


def _price(value: Any) -> Decimal:
    """Read a number, also as text. Raise ObjectError."""
    if isinstance(value, str) and _PRICE.fullmatch(value.strip()):
        price = Decimal(value.strip().replace(",", "."))
    else:
        price = Decimal(str(_number(value, "price")))
    if abs(price) >= 10**13:
        raise ObjectError("NOT_A_NUMBER", "It must be a number, not too big.", "price")
    return round(price, 4)


def _quantity(value: Any) -> int:
    """Read a whole number from 1 to 100, also as 2.0 or text; 1 if it is missing.

    Raise ObjectError for other values, which rejects the purchase.
    """
    if is_blank(value):
        return 1
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}(?:\.0{1,4})?", value.strip(), re.ASCII):
        value = float(value)
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or value % 1
        or not 1 <= value <= 100
    ):
        raise ObjectError("BAD_QUANTITY", "It must be a number from 1 to 100.", "quantity")
    return int(value)


def _event_name(item: Mapping[str, Any], field: str) -> str:
    value = item.get(field)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_NAME:
        raise ObjectError("BAD_NAME", "A name must have 1 to 255 characters.", field)
    return value


def _timestamp(item: Mapping[str, Any], now: datetime) -> datetime:
    """Return the time in UTC; a time in the future becomes now."""
    value = item.get("time")
    at = timestamps.parse(value) if isinstance(value, str) else None
    if at is None or at < OLDEST:
        raise ObjectError("BAD_TIME", "Write a time as ISO 8601: 2026-11-23T14:05:00Z.", "time")
    return min(at, now)


def _properties(item: Mapping[str, Any], problems: Problems, app_group: AppGroup) -> dict[str, Any]:
    """Return the properties that may be stored. PHP writes an empty object as an empty list."""
    properties = item.get("properties")
    if properties is None or properties == []:
        return {}
    if not isinstance(properties, dict):
        problems.append(ObjectError("BAD_PROPERTIES", "It must be an object.", "properties"))
        return {}
    if len(json.dumps(properties)) > MOST_BYTES:
        problems.append(ObjectError("TOO_LARGE", "The object is too large.", "properties"))
        return {}
    storable = {}
    for name, value in properties.items():
        try:
            _require_property_name(name)
            storable_value = _require_storable(value, "properties", 1)
            refuse_addresses(name, storable_value, app_group, field="properties")
            storable[name] = storable_value
        except ObjectError as problem:
            problems.append(ObjectError(problem.code, problem.message, "properties"))
    return storable


def _require_property_name(name: str) -> str:
    if name.startswith("$") or name in NOT_PROPERTIES:
        raise ObjectError(
            "BAD_PROPERTIES",
            "A name of a property is not time or event_name and has no $ in front.",
        )
    return _require_name(name)
