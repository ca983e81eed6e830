"""Convert the cells of a column to what its target takes.

The target of a column is a field of a profile, or the type of an attribute (mapping.py).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any, NoReturn

from audiencesync.core import csv_files
from audiencesync.people.models import LONGEST_EXTERNAL_ID
from audiencesync.people.parsers import numbers, placeholders, spellings
from audiencesync.people.views import csv_export
from audiencesync.people.writing.attribute_changes import LONGEST_LIST, MOST_ATTRIBUTES

Value = Any  # a JSON value
Reader = Callable[[str], Value]  # returns None for a cell that does not fit
EXACT = "exact"  # the style of columns of our own export
MOST_TEXT = 5000  # characters
DEEPEST = 8  # most lists and objects around a list or object in an attribute
LONGEST_NAME = 255  # characters
_TIME = (
    r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
    r"(?: ?(?:[AaPp][Mm]|Uhr|Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
_ISO_DAY = re.compile(rf"([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})(?:[T ]{_TIME})?", re.ASCII)
_GERMAN_DAY = re.compile(
    rf"([0-9]{{1,2}})\. ?([0-9]{{1,2}})\. ?([0-9]{{4}})(?:,? {_TIME})?", re.ASCII
)
_COUNTRY_CODE = re.compile(r"[A-Z]{2}", re.ASCII)


def day(cell: str) -> str | None:
    """Return 2026-11-23 for 2026-11-23 or 23.11.2026, with or without a time."""
    german, iso = _GERMAN_DAY.fullmatch(cell), _ISO_DAY.fullmatch(cell)
    try:
        if german:
            return date(*map(int, german.groups()[::-1])).isoformat()
        return date.fromisoformat(iso[1]).isoformat() if iso else None
    except ValueError:
        return None


def _at_most(characters: int) -> Reader:
    return lambda cell: cell if len(cell) <= characters else None


def _id(cell: str) -> str | None:
    # Most ids need no encoding: a character has at most four bytes.
    is_short = len(cell) <= LONGEST_EXTERNAL_ID // 4 or len(cell.encode()) <= LONGEST_EXTERNAL_ID
    return cell if is_short else None


def _gender(cell: str) -> str | None:
    return spellings.gender(cell) or _at_most(MOST_TEXT)(cell)


def is_attribute_name(name: str) -> bool:
    """Return whether an attribute may have this name, by the rule of the API."""
    return (
        bool(name.strip())
        and len(name) <= LONGEST_NAME
        and "\0" not in name
        and _is_encodable(name)
    )


def _several_attributes(cell: str) -> Value:
    """Read the attributes that share the last column of our export."""
    try:
        attributes = json.loads(cell, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    if not isinstance(attributes, dict) or len(attributes) > MOST_ATTRIBUTES:
        return None
    are_storable = all(
        is_attribute_name(name) and _is_storable(value) for name, value in attributes.items()
    )
    return attributes if are_storable else None


def _refuse_constant(_constant: str) -> NoReturn:
    raise ValueError  # NaN and Infinity, which are no JSON


def _exported_attribute(cell: str) -> Value:
    """Read an attribute as our export wrote it."""
    value = csv_export.read_attribute(cell)
    return value if _is_storable(value) else None


def _is_storable(value: Value, depth: int = 0) -> bool:
    """Return whether a value may be stored. ``depth``: the number of lists and objects around it.

    The API (api/track_objects.py) has the same limits, except that its texts must be shorter, and
    that its DEEPEST also applies to texts and numbers.
    """
    if isinstance(value, str):
        return len(value) <= MOST_TEXT and "\0" not in value and _is_encodable(value)
    if isinstance(value, bool) or value is None:
        return True
    if isinstance(value, int | float):
        return abs(value) <= numbers.BIGGEST
    if depth > DEEPEST:
        return False
    if isinstance(value, dict):
        has_valid_names = all(map(is_attribute_name, value))
        return has_valid_names and all(_is_storable(item, depth + 1) for item in value.values())
    return len(value) <= LONGEST_LIST and all(_is_storable(item, depth + 1) for item in value)


def _is_encodable(text: str) -> bool:
    """Return whether UTF-8 can hold the text: it has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


# Target -> reader, and the reason if a cell does not fit: a key of words.REASONS.
_READERS: dict[str, tuple[Reader, str]] = {
    "external_id": (_id, "long"),
    "alias": (_id, "long"),
    "email": (_at_most(320), "long"),
    "phone": (_at_most(64), "long"),
    "idfa": (_at_most(64), "long"),
    "gaid": (_at_most(64), "long"),
    "ad_tracking_enabled": (spellings.boolean, "truth"),
    "ads_consent": (spellings.consent, "consent"),
    "country": (spellings.country, "country"),
    "language": (spellings.language, "language"),
    "text": (_at_most(MOST_TEXT), "text"),
    "number": (numbers.unambiguous, "number"),  # for `reader`, the style decides instead
    "truth": (spellings.boolean, "truth"),
    "day": (day, "day"),
    # Columns of our own export: one attribute, and all attributes without a column of their own.
    "kept": (csv_export.read_attribute, "kept"),
    "rest": (_several_attributes, "kept"),
}


# Identifiers are not among these: `normalise` recognises their placeholders.
_PLACEHOLDER_TARGETS = frozenset(
    {"country", "language", "text", "number", "truth", "day", "ads_consent", "ad_tracking_enabled"}
)


def is_empty(target: str, cell: str, *, name: str = "") -> bool:
    """Return whether a cell says that there is no value.

    ``NA`` says so only for attributes that are numbers, days or booleans. As a country it is
    Namibia, as a text it may be a value, and as consent or ad tracking it may be a refusal.
    """
    if target not in _PLACEHOLDER_TARGETS:
        return False
    if target == "text" and name == "gender" and spellings.gender(cell):
        return False  # such as n/a: not applicable
    # "none" may be a refusal.
    if target in ("ads_consent", "ad_tracking_enabled") and cell.casefold() in placeholders.DENIALS:
        return False
    if placeholders.is_empty_cell(cell):
        return True
    return target in ("number", "day", "truth") and cell.casefold() in ("na", "#na", "n.a")


def reason(target: str) -> str:
    """Return the key of words.REASONS for a cell of this target that does not fit."""
    return _READERS[target][1]


def reader(target: str, *, delimiter: str, style: str = "", name: str = "") -> Reader:
    """Return the reader of a column. Callers strip cells, but not those of our own export.

    ``delimiter``: of the file; it decides what numbers such as 1,5 and 1.234 mean. ``style``: how
    the column writes numbers (numbers.style), or EXACT. ``name``: of the attribute.
    """
    if style == EXACT:
        return _exact_reader(target, delimiter)
    if target == "number":
        return numbers.reader(style, delimiter)
    return _gender if target == "text" and name == "gender" else _READERS[target][0]


def _exact_reader(target: str, delimiter: str) -> Reader:
    """Return the reader for our own export: it returns the values that were exported."""
    plain_reader = reader(target, delimiter=delimiter)
    if target == "country":
        return lambda cell: cell if _COUNTRY_CODE.fullmatch(cell) else plain_reader(cell.strip())
    if target == "language":
        return lambda cell: (
            cell if 0 < len(cell) <= spellings.LONGEST_LANGUAGE else plain_reader(cell.strip())
        )
    if target == "kept":
        return _exported_attribute
    if target in ("external_id", "alias", "rest"):
        return lambda cell: plain_reader(cell) if cell.strip() else None
    if target in ("text", "number", "truth", "day"):
        return lambda cell: _as_type(target, csv_export.read_attribute(cell), plain_reader)
    return lambda cell: plain_reader(
        cell if target in ("email", "phone", "idfa", "gaid") else cell.strip()
    )


def _as_type(target: str, value: Value, plain_reader: Reader) -> Value:
    """Convert a value of our export to the type that was chosen for its column."""
    if value == "":
        return "" if target == "text" else None
    if isinstance(value, str):
        return plain_reader(value)
    if target == "text":
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, int | float) else None
    if isinstance(value, bool):
        return value if target == "truth" else None
    return value if target == "number" and isinstance(value, int | float) else None


def clean_cell(raw: str, *, is_exact: bool) -> str:
    """Return a cell without its guard against formulas, and without the spaces around it.

    ``is_exact``: the cell is of our own export, so its spaces are kept.
    """
    if is_exact:
        return csv_files.unguard(raw)
    cell = raw.strip()
    # Other files guard at most the start of a cell.
    return csv_files.unguard_start(cell).strip() if cell[:1] == "'" else cell
