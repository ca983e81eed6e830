"""People as rows of a table, to be taken along: all that is told of them, one column per custom attribute."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from audiencesync.people.models import Profile
from audiencesync.spreadsheet import Cell

CHUNK = 2000
MOST_NAMES = 500  # attributes with a column of their own; all others share the last one
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
ID, MADE, REST = "braze_id", "created_at", "more_attributes"
_NAMES = {
    "sqlite": "json_each(p.attributes) AS k WHERE json_type(p.attributes) = 'object'",
    "postgresql": (
        "jsonb_object_keys(CASE WHEN jsonb_typeof(p.attributes) = 'object' THEN p.attributes ELSE '{}'::jsonb END)"
        " AS k(key)"
    ),
}


def rows(people: QuerySet[Profile]) -> Iterator[list[Cell]]:
    """The names of the columns, then a row per person, some thousand at a time: nothing is held while they travel."""
    names = _names(people)
    own, has_more = names[:MOST_NAMES], len(names) > MOST_NAMES
    yield [ID, *COLUMNS, MADE, *own, *[REST] * has_more]
    asked = people.order_by("pk").values_list("pk", "created_at", "attributes", *COLUMNS.values())
    last = 0
    while chunk := list(asked.filter(pk__gt=last)[:CHUNK]):
        for pk, created_at, attributes, *fields in chunk:
            known = attributes if isinstance(attributes, dict) else {}
            cells = [_cell(value) for value in fields]
            told = [_cell(known[name]) if name in known else "" for name in own]
            more = [_rest(known, own)] if has_more else []
            yield [f"{pk:024x}", *cells, created_at.isoformat(), *told, *more]
        last = chunk[-1][0]


def _names(people: QuerySet[Profile]) -> list[str]:
    """The names of all custom attributes of these people, in order; no more than matter."""
    sql, params = people.order_by().values("attributes").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT k.key FROM ({sql}) p, {_NAMES[connection.vendor]} ORDER BY 1 LIMIT {MOST_NAMES + 1}",  # noqa: S608  # a query of Django's, and constants
            params,
        )
        return [name for (name,) in cursor.fetchall()]


def _cell(value: Any) -> Cell:
    """A value as an import reads it."""
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return value
    return json.dumps(value, ensure_ascii=False)


def _rest(known: dict[str, Any], own: list[str]) -> str:
    """The attributes without a column, as JSON."""
    rest = {name: value for name, value in sorted(known.items()) if name not in own}
    return json.dumps(rest, ensure_ascii=False) if rest else ""
