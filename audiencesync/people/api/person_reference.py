"""Read the reference to a person in an object of the REST API."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypedDict

from django.utils.functional import Promise

from audiencesync.people.changes import Change
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import LONGEST_EXTERNAL_ID
from audiencesync.people.writing import lookup
from audiencesync.rest.strict_json import number_as_text

PRIMARY = ("external_id", "user_alias", "braze_id")
LONGEST_LABEL = 255
LONGEST_PHONE = 64
_MIN_LOST_ZEROS = 2  # a JSON float with fewer zeros at its end is taken as exact
# Names of fields that an error may repeat: none that look like an address or a number.
_PLAIN_FIELD = re.compile(r"[^\W\d][\w .-]{0,62}")
_OPPOSITES = (
    frozenset({"identified", "unidentified"}),
    frozenset({"most_recently_updated", "least_recently_updated"}),
)
BRAZE_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)


class ObjectError(Exception):
    """An error about one object of a call: a code, a sentence and the field, but no value."""

    def __init__(self, code: str, message: str | Promise, field: str = "") -> None:
        super().__init__(code)
        self.code, self.message, self.field = code, message, field

    def as_dict(self, array: str, index: int) -> dict[str, Any]:
        """Return the error as it stands in a response: its reason and its place in the body."""
        error: dict[str, Any] = {
            "type": self.code,
            "message": str(self.message),
            "input_array": array,
            "index": index,
        }
        return error | {"field": self.field} if _PLAIN_FIELD.fullmatch(self.field) else error


class Name(TypedDict, total=False):
    """The part of a ``Change`` that names the person: one of these keys."""

    external_id: str
    alias: tuple[str, str]
    profile_id: int
    email: str
    phone: str


def require_object(item: Any) -> Mapping[str, Any]:
    """Return one object of a list. Raise ObjectError if it is no object."""
    if not isinstance(item, dict):
        raise ObjectError("NOT_AN_OBJECT", "It must be an object.")
    return item


def read(item: Mapping[str, Any], *, id_field: str = "external_id") -> Name:
    """Return one primary identifier, else the e-mail, else the phone. Raise ObjectError.

    ``id_field``: the field that holds the external id.
    """
    given_fields = [
        name for name in (id_field, "user_alias", "braze_id") if item.get(name) is not None
    ]
    if len(given_fields) > 1:
        raise ObjectError(
            "TOO_MANY_IDENTIFIERS",
            "Give one of external_id, user_alias and braze_id.",
            given_fields[1],
        )
    if given_fields == [id_field]:
        return {"external_id": external_id(item[id_field], id_field)}
    if given_fields:
        return (
            _alias(item["user_alias"])
            if given_fields == ["user_alias"]
            else _braze_id(item["braze_id"])
        )
    if item.get("email") not in (None, ""):
        return {"email": email(item["email"])}
    if item.get("phone") not in (None, ""):
        return {"phone": phone(item["phone"])}
    raise ObjectError("NO_IDENTIFIER", "Give external_id, user_alias, braze_id, email or phone.")


def key(item: Mapping[str, Any], *, region: str) -> lookup.Key | None:
    """Return the key that finds the person of an object. Raise ObjectError.

    None if the e-mail or phone is not usable.
    """
    return lookup.key(Change(**read(item)), region=region)


def external_id(value: object, field: str = "external_id") -> str:
    """Return an external id; a whole number becomes its decimal text. Raise ObjectError."""
    value = number_as_text(value)
    if not isinstance(value, str) or not value.strip():
        raise ObjectError("BAD_EXTERNAL_ID", "It must be a text that is not empty.", field)
    if len(value.encode()) > LONGEST_EXTERNAL_ID:
        raise ObjectError("EXTERNAL_USER_ID_TOO_LARGE", "It is longer than 987 bytes.", field)
    return value


def alias(value: object) -> tuple[str, str]:
    """Return label and name of an alias. Raise ObjectError."""
    if not isinstance(value, dict):
        raise ObjectError(
            "BAD_USER_ALIAS", "It must have alias_name and alias_label.", "user_alias"
        )
    label, name = (number_as_text(value.get(part)) for part in ("alias_label", "alias_name"))
    if not (isinstance(label, str) and isinstance(name, str) and label.strip() and name.strip()):
        raise ObjectError(
            "BAD_USER_ALIAS", "It must have alias_name and alias_label.", "user_alias"
        )
    if len(label) > LONGEST_LABEL or len(name.encode()) > LONGEST_EXTERNAL_ID:
        raise ObjectError(
            "USER_ALIAS_TOO_LARGE", "The label or the name is too long.", "user_alias"
        )
    return label, name


def boolean(item: Mapping[str, Any], field: str) -> bool | None:
    """Return a boolean of the object, or None if it is missing. Raise ObjectError."""
    value = item.get(field)
    if value is not None and not isinstance(value, bool):
        raise ObjectError("NOT_A_BOOLEAN", "It must be true, false or null.", field)
    return value


def email(value: object) -> str:
    """Return a usable address, or its SHA-256 in hex. Raise ObjectError."""
    if isinstance(value, str) and len(value) <= normalise.LONGEST_EMAIL:
        normalised = normalise.normalise("email", value, region="")
        if normalised.sha256 is not None:
            return value.strip()
    raise ObjectError("EMAIL_BAD_FORMAT", "This is not an e-mail address.", "email")


def phone(value: object, field: str = "phone") -> str:
    """Return a phone number as text, also from a JSON number. Raise ObjectError.

    Whether it is usable depends on the country of the group, and is not checked here.
    """
    value = (
        _digits(value) if isinstance(value, float) and value.is_integer() else number_as_text(value)
    )
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST_PHONE:
        raise ObjectError("PHONE_BAD_FORMAT", "This is not a phone number.", field)
    return value.strip()


def _digits(value: float) -> str:
    """Return the digits of a whole number.

    Several zeros at its end may stand for lost digits. Such a number is returned as a spreadsheet
    writes it, like 4.91761E+11, so that `phones.read` judges it like a cell of an import.
    """
    digits = str(int(value))
    significant = digits.rstrip("0")
    return (
        digits
        if len(digits) - len(significant) < _MIN_LOST_ZEROS
        else f"{significant[:1]}.{significant[1:]}E+{len(digits) - 1}"
    )


def prioritization(item: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the preferences among people with one e-mail or phone, in order. Raise ObjectError."""
    order = item.get("prioritization")
    if order is None:
        return ()
    is_valid = isinstance(order, list) and all(
        isinstance(name, str) and name in lookup.PRIORITIES for name in order
    )
    if not is_valid or any(pair.issubset(order) for pair in _OPPOSITES):
        raise ObjectError(
            "BAD_PRIORITIZATION",
            "Use identified, unidentified, most_recently_updated or least_recently_updated.",
            "prioritization",
        )
    return tuple(order)


def _alias(value: object) -> Name:
    return {"alias": alias(value)}


def _braze_id(value: object) -> Name:
    if not isinstance(value, str) or not BRAZE_ID.fullmatch(value) or int(value, 16) >= 2**63:
        raise ObjectError(
            "BAD_BRAZE_ID", "It must be 24 hex digits as this API gave them.", "braze_id"
        )
    return {"profile_id": int(value, 16)}
