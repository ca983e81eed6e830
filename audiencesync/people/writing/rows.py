"""Find, lock, insert and update profiles many at a time, in the SQL of each database.

Django's ``bulk_create`` and ``bulk_update`` take 2.5 to 50 times the CPU: docs/decisions, 14.
"""
# ruff: noqa: S608  # every statement is made of our own names of tables and columns

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from audiencesync.people.models import PastIdentifier, Profile
from audiencesync.people.writing.columns import ATTRIBUTES, COLUMNS, CONSENTS, HASHES, TYPES, Row

PastHash = tuple[int, str, bytes]  # profile id, kind, SHA-256
_TABLE = Profile._meta.db_table
_CHANGING_COLUMNS = COLUMNS[2:]  # all but id and external id
_JSON_RECORDS = "json_to_recordset(%s) AS given ({})".format(
    ", ".join(f"{name} {'text' if kind == 'bytea' else kind}" for name, kind in TYPES.items())
)


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def database_time(at: datetime) -> Any:
    """Return a time as this database stores it."""
    return connection.ops.adapt_datetimefield_value(at)


def by_external_id(app_group_id: int, external_ids: Iterable[str]) -> dict[str, int]:
    """Return external id -> profile id; missing ids are left out."""
    names = list(external_ids)
    if not names:
        return {}
    with connection.cursor() as cursor:
        if _is_postgresql():
            cursor.execute(_BY_EXTERNAL_ID, [json.dumps(names), app_group_id])
        else:
            condition = "external_id IN (SELECT value FROM json_each(%s))"
            statement = (
                f"SELECT external_id, id FROM {_TABLE} WHERE app_group_id = %s AND {condition}"
            )
            cursor.execute(statement, [app_group_id, json.dumps(names)])
        return dict(cursor.fetchall())


# LATERAL forces one index lookup per name. Otherwise PostgreSQL, with statistics that are out of
# date during an import, would read all profiles of the group in each call.
_BY_EXTERNAL_ID = f"""
SELECT found.external_id, found.id FROM json_array_elements_text(%s) AS wanted (name)
CROSS JOIN LATERAL (
  SELECT external_id, id FROM {_TABLE} WHERE app_group_id = %s AND external_id = wanted.name LIMIT 1
) AS found
"""


def lock(app_group_id: int, ids: Iterable[int]) -> list[Row]:
    """Lock and return these profiles, in the order of their ids, without merged or erased ones."""
    sorted_ids = sorted(ids)
    if not sorted_ids:
        return []
    condition = "= ANY(%s)" if _is_postgresql() else "IN (SELECT value FROM json_each(%s))"
    lock_clause = "FOR NO KEY UPDATE" if _is_postgresql() else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(COLUMNS)} FROM {_TABLE}"
            f" WHERE id {condition} AND erased_at IS NULL AND merged_into_id IS NULL"
            # + 0 keeps the database from using the index on app_group_id
            f" AND app_group_id + 0 = %s ORDER BY id {lock_clause}",
            [sorted_ids if _is_postgresql() else json.dumps(sorted_ids), app_group_id],
        )
        return [_row(values) for values in cursor.fetchall()]


def merged_into(ids: Iterable[int]) -> dict[int, int]:
    """Return merged profile -> the profile it was merged into, for these ids."""
    pairs = Profile.everybody.filter(pk__in=list(ids)).values_list("pk", "merged_into")
    return {pk: target for pk, target in pairs if target is not None}


def _row(values: Sequence[Any]) -> Row:
    row = Row(*values)
    row.attributes = json.loads(values[ATTRIBUTES])
    for name in CONSENTS:  # SQLite returns 0 and 1
        if (value := getattr(row, name)) is not None:
            setattr(row, name, bool(value))
    for name in HASHES:
        if (digest := getattr(row, name)) is not None:
            setattr(row, name, bytes(digest))
    return row


def new_ids(n: int) -> list[int]:
    """Reserve ids for new rows. On SQLite they are reserved only until the transaction ends."""
    if not n:
        return []
    with connection.cursor() as cursor:
        if _is_postgresql():
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [_TABLE, n],
            )
            return [pk for (pk,) in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [_TABLE])
        last = (cursor.fetchone() or (0,))[0]
    return list(range(last + 1, last + n + 1))


def insert(app_group_id: int, rows: Sequence[Row], *, now: datetime) -> set[int]:
    """Insert rows; return their ids, except where another writer inserted the external id first."""
    if not rows:
        return set()
    column_names = f"app_group_id, created_at, updated_at, {', '.join(COLUMNS)}"
    at = database_time(now)
    with connection.cursor() as cursor:
        if _is_postgresql():
            cursor.execute(
                f"INSERT INTO {_TABLE} ({column_names})"
                f" SELECT %s, %s, %s, {', '.join(map(_given_sql, COLUMNS))} FROM {_JSON_RECORDS}"
                " ON CONFLICT (app_group_id, external_id) DO NOTHING RETURNING id",
                [app_group_id, at, at, _as_json(rows)],
            )
            return {pk for (pk,) in cursor.fetchall()}
        placeholders = ", ".join(["%s"] * (len(COLUMNS) + 3))
        statement = f"INSERT INTO {_TABLE} ({column_names}) VALUES ({placeholders})"
        cursor.executemany(statement, [[app_group_id, at, at, *row.values()] for row in rows])
    return {row.id for row in rows}


def update(rows: Sequence[Row], *, now: datetime | None) -> None:
    """Write all columns of locked rows. ``now``: the new ``updated_at``; None keeps it."""
    if not rows:
        return
    updated_at = f"COALESCE(%s, {_TABLE}.updated_at)"
    at = None if now is None else database_time(now)
    with connection.cursor() as cursor:
        if _is_postgresql():
            assignments = ", ".join(f"{name} = {_given_sql(name)}" for name in _CHANGING_COLUMNS)
            statement = (
                f"UPDATE {_TABLE} SET updated_at = {updated_at}, {assignments}"
                f" FROM {_JSON_RECORDS} WHERE {_TABLE}.id = given.id"
            )
            cursor.execute(statement, [at, _as_json(rows)])
            return
        assignments = ", ".join(f"{name} = %s" for name in _CHANGING_COLUMNS)
        statement = f"UPDATE {_TABLE} SET updated_at = {updated_at}, {assignments} WHERE id = %s"
        cursor.executemany(statement, [[at, *row.values()[2:], row.id] for row in rows])


def record_past_hashes(past_hashes: Sequence[PastHash], *, now: datetime) -> None:
    """Record hashes that profiles had. A hash that is recorded already keeps its time."""
    rows_to_create = [
        PastIdentifier(profile_id=pk, kind=kind, sha256=digest, replaced_at=now)
        for pk, kind, digest in past_hashes
    ]
    PastIdentifier.objects.bulk_create(rows_to_create, ignore_conflicts=True)


def _as_json(rows: Sequence[Row]) -> str:
    return json.dumps([row.as_json() for row in rows])


def _given_sql(name: str) -> str:
    """Return the SQL for a column of `_JSON_RECORDS`; its hashes are hex digits."""
    return f"decode(given.{name}, 'hex')" if name in HASHES else f"given.{name}"
