"""Profiles as plain rows: found, locked, inserted and updated many at a time, in the SQL of each database.

The ORM writes a few thousand rows a second; an import wants ten times that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection

from audiencesync.people.bulk import moment
from audiencesync.people.identifiers import RULE_VERSION, Digest
from audiencesync.people.models import Profile

_TABLE = Profile._meta.db_table
_TYPES = {  # of PostgreSQL
    "id": "bigint",
    "external_id": "text",
    "email": "text",
    "phone": "text",
    "idfa": "text",
    "gaid": "text",
    "country": "text",
    "language": "text",
    "attributes": "jsonb",
    "ad_tracking_enabled": "boolean",
    "ads_consent": "boolean",
    "email_sha256": "bytea",
    "phone_sha256": "bytea",
    "idfa_sha256": "bytea",
    "gaid_sha256": "bytea",
    "invalid_kinds": "smallint",
    "rule_version": "smallint",
}
_COLUMNS = tuple(_TYPES)
_CHANGING = _COLUMNS[2:]


@dataclass(slots=True)
class Row:
    """One profile in memory; the columns in the order of ``_TYPES``."""

    id: int
    external_id: str | None = None
    email: str = ""
    phone: str = ""
    idfa: str = ""
    gaid: str = ""
    country: str = ""
    language: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    ad_tracking_enabled: bool | None = None
    ads_consent: bool | None = None
    email_sha256: Digest = None
    phone_sha256: Digest = None
    idfa_sha256: Digest = None
    gaid_sha256: Digest = None
    invalid_kinds: int = 0
    rule_version: int = RULE_VERSION

    def values(self) -> list[Any]:
        """As the database takes them."""
        found = [getattr(self, name) for name in _COLUMNS]
        found[8] = json.dumps(self.attributes, ensure_ascii=False)
        return found


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def by_external_id(app_group_id: int, external_ids: Iterable[str]) -> dict[str, int]:
    """External id -> id, of those that exist."""
    names = list(external_ids)
    if not names:
        return {}
    among = "= ANY(%s)" if _is_postgresql() else "IN (SELECT value FROM json_each(%s))"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT external_id, id FROM {_TABLE} WHERE app_group_id = %s AND external_id {among}",  # noqa: S608  # own names only
            [app_group_id, names if _is_postgresql() else json.dumps(names)],
        )
        return dict(cursor.fetchall())


def locked(app_group_id: int, ids: Iterable[int]) -> list[Row]:
    """These profiles, nobody else may write them until the end of the transaction. Locked in the order of their ids."""
    wanted = sorted(ids)
    if not wanted:
        return []
    among = "= ANY(%s)" if _is_postgresql() else "IN (SELECT value FROM json_each(%s))"
    lock = "FOR NO KEY UPDATE" if _is_postgresql() else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM {_TABLE} WHERE id {among} AND app_group_id = %s ORDER BY id {lock}",  # noqa: S608  # own names only
            [wanted if _is_postgresql() else json.dumps(wanted), app_group_id],
        )
        return [_row(values) for values in cursor.fetchall()]


def _row(values: Sequence[Any]) -> Row:
    row = Row(*values)
    row.attributes = json.loads(values[8]) if isinstance(values[8], str) else values[8]
    row.ad_tracking_enabled = None if values[9] is None else bool(values[9])
    row.ads_consent = None if values[10] is None else bool(values[10])
    return row


def new_ids(n: int) -> list[int]:
    """Ids that no other row has or will have."""
    if not n:
        return []
    with connection.cursor() as cursor:
        if _is_postgresql():
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [_TABLE, n])
            return [pk for (pk,) in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [_TABLE])
        last = (cursor.fetchone() or (0,))[0]
    return list(range(last + 1, last + n + 1))


def insert(app_group_id: int, rows: Sequence[Row], *, now: datetime) -> set[int]:
    """Insert them; answers the ids of those whose external id nobody had inserted meanwhile."""
    if not rows:
        return set()
    names = f"app_group_id, created_at, updated_at, {', '.join(_COLUMNS)}"
    at = moment(now)
    with connection.cursor() as cursor:
        if _is_postgresql():
            cursor.execute(
                f"INSERT INTO {_TABLE} ({names}) SELECT %s, %s, %s, * FROM {_unnest(_COLUMNS)} AS given"  # noqa: S608  # own names only
                " ON CONFLICT (app_group_id, external_id) DO NOTHING RETURNING id",
                [app_group_id, at, at, *_turned([row.values() for row in rows])],
            )
            return {pk for (pk,) in cursor.fetchall()}
        places = ", ".join(["%s"] * (len(_COLUMNS) + 3))
        statement = f"INSERT INTO {_TABLE} ({names}) VALUES ({places})"  # noqa: S608  # own names only
        cursor.executemany(statement, [[app_group_id, at, at, *row.values()] for row in rows])
    return {row.id for row in rows}


def update(rows: Sequence[Row], *, now: datetime) -> None:
    """Write all columns of rows that are locked."""
    if not rows:
        return
    with connection.cursor() as cursor:
        if _is_postgresql():
            changes = ", ".join(f"{name} = given.{name}" for name in _CHANGING)
            given = [values[:1] + values[2:] for values in (row.values() for row in rows)]
            cursor.execute(
                f"UPDATE {_TABLE} SET updated_at = %s, {changes} FROM {_unnest(('id', *_CHANGING))}"  # noqa: S608  # own names only
                f" AS given (id, {', '.join(_CHANGING)}) WHERE {_TABLE}.id = given.id",
                [moment(now), *_turned(given)],
            )
            return
        changes = ", ".join(f"{name} = %s" for name in _CHANGING)
        statement = f"UPDATE {_TABLE} SET updated_at = %s, {changes} WHERE id = %s"  # noqa: S608  # own names only
        cursor.executemany(statement, [[moment(now), *row.values()[2:], row.id] for row in rows])


def _unnest(columns: Sequence[str]) -> str:
    """A table from one array per column."""
    return f"unnest({', '.join(f'%s::{_TYPES[name]}[]' for name in columns)})"


def _turned(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
