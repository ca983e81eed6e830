"""Export people as rows of a table, with one column per custom attribute.

An import of the file restores the same values. An attribute is written as JSON, except that an
unambiguous text has no quotation marks: gold, but "123", "true" and "".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NoReturn

from django.db import connection
from django.db.models import QuerySet

from audiencesync.core import chunks
from audiencesync.core.csv_files import Cell
from audiencesync.core.database.subquery import sql_of
from audiencesync.people.models import Profile

CHUNK = 2000
# Attributes with a column of their own. An import takes 100 columns: two are for rejected rows, and
# twelve for id, fields, time and further attributes.
MOST_NAMES = 86
COLUMNS = {
    "external_id": "external_id",
    "email": "email",
    "phone": "phone",
    "idfa": "idfa",
    "google_ad_id": "gaid",
    "ad_tracking_enabled": "ad_tracking_enabled",
    "ads_consent": "ads_consent",
    "country": "country",
    "language": "language",
}
_BOOLEANS = {"true": True, "false": False}
_JSON_BEGINNINGS = ("", '"', "[", "{")
# _LOOKS_NUMERIC: texts that some program may read as a number. _NUMBER: those that
# `read_attribute` reads as one.
_LOOKS_NUMERIC = re.compile(r"[+-]?[0-9.,'’\s]*(?:e[+-]?[0-9]*)?", re.IGNORECASE)
_NUMBER = re.compile(
    r"-?(?:0|[1-9][0-9]{0,400})(?:[.,][0-9]{1,400})?(?:e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE
)
ID_COLUMN, CREATED_COLUMN, REST_COLUMN = "braze_id", "created_at", "more_attributes"
_NAME_SOURCES = {
    "sqlite": "json_each(p.attributes) AS k WHERE json_type(p.attributes) = 'object'",
    "postgresql": (
        "jsonb_object_keys(CASE WHEN jsonb_typeof(p.attributes) = 'object'"
        " THEN p.attributes ELSE '{}'::jsonb END)"
        " AS k(key)"
    ),
}


def rows(people: QuerySet[Profile]) -> Iterator[list[Cell]]:
    """Yield the names of the columns, then a row per person; only one chunk is in memory."""
    names = _names(people)
    with_column = [name for name in names[:MOST_NAMES] if name != REST_COLUMN]
    has_more = len(with_column) < len(names)
    yield [ID_COLUMN, *COLUMNS, CREATED_COLUMN, *with_column, *[REST_COLUMN] * has_more]
    values = people.values_list("pk", "created_at", "attributes", *COLUMNS.values())
    for chunk in chunks.read(values, CHUNK, key=itemgetter(0)):
        for pk, created_at, attributes, *fields in chunk:
            row_attributes = attributes if isinstance(attributes, dict) else {}
            cells = [_field(value) for value in fields]
            attribute_cells = [
                write_attribute(row_attributes[name]) if name in row_attributes else ""
                for name in with_column
            ]
            rest_cells = [_rest_cell(row_attributes, with_column)] if has_more else []
            yield [f"{pk:024x}", *cells, created_at.isoformat(), *attribute_cells, *rest_cells]


def _names(people: QuerySet[Profile]) -> list[str]:
    """Return the sorted names of custom attributes, at most MOST_NAMES + 1."""
    sql, params = sql_of(people.order_by().values("attributes"))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT k.key FROM ({sql}) p,"  # noqa: S608  # Django's SQL and constants
            f" {_NAME_SOURCES[connection.vendor]} ORDER BY 1 LIMIT {MOST_NAMES + 1}",
            params,
        )
        return [name for (name,) in cursor.fetchall()]


def is_ours(headers: Sequence[str]) -> bool:
    """Return whether these are the columns of our own export, or of its rejected rows."""
    return {ID_COLUMN, CREATED_COLUMN, *COLUMNS} <= set(headers)


def fields(person: Profile) -> list[Cell]:
    """Return the fields of one person, in the order of COLUMNS."""
    return [_field(getattr(person, name)) for name in COLUMNS.values()]


def _field(value: str | bool | None) -> Cell:
    return ("true" if value else "false") if isinstance(value, bool) else value or ""


def write_attribute(value: Any) -> Cell:
    """Write an attribute so that ``read_attribute`` returns the same value."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False) if _is_ambiguous(value) else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_ambiguous(text: str) -> bool:
    """Return whether a text could be read back as something other than a text."""
    stripped = text.strip()
    return (
        stripped[:1] in _JSON_BEGINNINGS
        or stripped.lower() in _BOOLEANS
        or _LOOKS_NUMERIC.fullmatch(stripped) is not None
    )


def read_attribute(cell: str) -> Any:
    """Read the attribute in a cell; None if it is empty.

    A number that a spreadsheet rewrote stays a number.
    """
    if cell[:1] in _JSON_BEGINNINGS:
        try:
            return json.loads(cell, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return cell or None
    lowered = cell.lower()
    if lowered in _BOOLEANS:
        return _BOOLEANS[lowered]
    if not _NUMBER.fullmatch(cell):
        return cell
    number = cell.replace(",", ".")
    return float(number) if re.search("[.eE]", number) else int(number)


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


def _rest_cell(attributes: dict[str, Any], with_column: list[str]) -> str:
    """Return the attributes without a column, as JSON."""
    others = {name: value for name, value in sorted(attributes.items()) if name not in with_column}
    return json.dumps(others, ensure_ascii=False) if others else ""
