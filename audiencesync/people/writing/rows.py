"""Profiles as plain rows: found, locked, inserted and updated many at a time, in the SQL of each database.

The ORM writes a few thousand rows a second; an import wants ten times that.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from django.db import connection

from audiencesync.people.identifiers.normalise import RULE_VERSION, Digest
from audiencesync.people.models import PastIdentifier, Profile
from audiencesync.people.writing.bulk import moment

_TABLE, _PAST = Profile._meta.db_table, PastIdentifier._meta.db_table
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
_HASHES = tuple(name for name, kind in _TYPES.items() if kind == "bytea")
_ATTRIBUTES = _COLUMNS.index("attributes")
_COLUMNS_OF = attrgetter(*(name for name in _COLUMNS if name != "attributes"))


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

    def columns(self) -> tuple[Any, ...]:
        """All but the attributes."""
        return _COLUMNS_OF(self)

    def values(self) -> list[Any]:
        """As SQLite takes them."""
        found = [getattr(self, name) for name in _COLUMNS]
        found[_ATTRIBUTES] = json.dumps(self.attributes)
        return found

    def as_json(self) -> dict[str, Any]:
        """As PostgreSQL takes them: a list of these is one parameter, which is faster to write than an array a column."""
        found = {name: getattr(self, name) for name in _COLUMNS}
        for name in _HASHES:
            if found[name] is not None:
                found[name] = found[name].hex()
        return found


def _is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def by_external_id(app_group_id: int, external_ids: Iterable[str]) -> dict[str, int]:
    """External id -> id, of those that exist."""
    names = list(external_ids)
    if not names:
        return {}
    with connection.cursor() as cursor:
        if _is_postgresql():
            cursor.execute(_BY_NAME, [json.dumps(names), app_group_id])
        else:
            among = "external_id IN (SELECT value FROM json_each(%s))"
            statement = f"SELECT external_id, id FROM {_TABLE} WHERE app_group_id = %s AND {among}"  # noqa: S608  # own names only
            cursor.execute(statement, [app_group_id, json.dumps(names)])
        return dict(cursor.fetchall())


# One look into the index per name: while the statistics are old (an import runs), PostgreSQL would rather read all people
# of the group, and once more for every call.
_BY_NAME = f"""
SELECT found.external_id, found.id FROM json_array_elements_text(%s) AS wanted (name) CROSS JOIN LATERAL (
  SELECT external_id, id FROM {_TABLE} WHERE app_group_id = %s AND external_id = wanted.name LIMIT 1
) AS found
"""  # noqa: S608  # own names only


def locked(app_group_id: int, ids: Iterable[int]) -> list[Row]:
    """These profiles, nobody else may write them until the end of the transaction. Locked in the order of their ids."""
    wanted = sorted(ids)
    if not wanted:
        return []
    among = "= ANY(%s)" if _is_postgresql() else "IN (SELECT value FROM json_each(%s))"
    lock = "FOR NO KEY UPDATE" if _is_postgresql() else ""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM {_TABLE}"  # noqa: S608  # own names only
            f" WHERE id {among} AND erased_at IS NULL AND merged_into_id IS NULL"
            f" AND app_group_id + 0 = %s ORDER BY id {lock}",  # + 0: no index on it
            [wanted if _is_postgresql() else json.dumps(wanted), app_group_id],
        )
        return [_row(values) for values in cursor.fetchall()]


def merged(ids: Iterable[int]) -> dict[int, int]:
    """Id -> id of the person whom a visitor has turned out to be, of those that have."""
    ghosts = Profile.everybody.filter(pk__in=list(ids)).values_list("pk", "merged_into")
    return {pk: person for pk, person in ghosts if person is not None}


def _row(values: Sequence[Any]) -> Row:
    row = Row(*values)
    row.attributes = json.loads(values[_ATTRIBUTES])
    row.ad_tracking_enabled = _truth(row.ad_tracking_enabled)
    row.ads_consent = _truth(row.ads_consent)
    for name in _HASHES:
        if (digest := getattr(row, name)) is not None:
            setattr(row, name, bytes(digest))
    return row


def _truth(value: Any) -> bool | None:
    return None if value is None else bool(value)  # SQLite says 0 and 1


def new_ids(n: int) -> list[int]:
    """Ids that no other row has or will have."""
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


def insert(app_group_id: int, people: Sequence[Row], *, now: datetime) -> set[int]:
    """Insert them; answers the ids of those whose external id nobody had inserted meanwhile."""
    if not people:
        return set()
    names = f"app_group_id, created_at, updated_at, {', '.join(_COLUMNS)}"
    at = moment(now)
    with connection.cursor() as cursor:
        if _is_postgresql():
            cursor.execute(
                f"INSERT INTO {_TABLE} ({names}) SELECT %s, %s, %s, {', '.join(map(_given, _COLUMNS))} FROM {_RECORDS}"  # noqa: S608  # own names only
                " ON CONFLICT (app_group_id, external_id) DO NOTHING RETURNING id",
                [app_group_id, at, at, _as_json(people)],
            )
            return {pk for (pk,) in cursor.fetchall()}
        places = ", ".join(["%s"] * (len(_COLUMNS) + 3))
        statement = f"INSERT INTO {_TABLE} ({names}) VALUES ({places})"  # noqa: S608  # own names only
        cursor.executemany(statement, [[app_group_id, at, at, *row.values()] for row in people])
    return {row.id for row in people}


def update(people: Sequence[Row], *, now: datetime) -> None:
    """Write all columns of rows that are locked."""
    if not people:
        return
    with connection.cursor() as cursor:
        if _is_postgresql():
            changes = ", ".join(f"{name} = {_given(name)}" for name in _CHANGING)
            statement = f"UPDATE {_TABLE} SET updated_at = %s, {changes} FROM {_RECORDS} WHERE {_TABLE}.id = given.id"  # noqa: S608  # own names only
            cursor.execute(statement, [moment(now), _as_json(people)])
            return
        changes = ", ".join(f"{name} = %s" for name in _CHANGING)
        statement = f"UPDATE {_TABLE} SET updated_at = %s, {changes} WHERE id = %s"  # noqa: S608  # own names only
        cursor.executemany(statement, [[moment(now), *row.values()[2:], row.id] for row in people])


def remember(past: Sequence[tuple[int, str, bytes]], *, now: datetime) -> None:
    """Keep hashes that people had until now: id, kind, hash. One that is known already stays as it is."""
    if not past:
        return
    columns = "(profile_id, kind, sha256, replaced_at)"
    with connection.cursor() as cursor:
        if _is_postgresql():
            records = "json_to_recordset(%s) AS given (id bigint, kind text, sha256 text)"
            statement = (
                f"INSERT INTO {_PAST} {columns} SELECT given.id, given.kind, decode(given.sha256, 'hex'), %s"  # noqa: S608  # own names only
                f" FROM {records} ON CONFLICT DO NOTHING"
            )
            given = [{"id": pk, "kind": kind, "sha256": digest.hex()} for pk, kind, digest in past]
            cursor.execute(statement, [moment(now), json.dumps(given)])
            return
        statement = f"INSERT INTO {_PAST} {columns} VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"  # noqa: S608  # own names only
        cursor.executemany(statement, [(*one, moment(now)) for one in past])


def _as_json(people: Sequence[Row]) -> str:
    return json.dumps([row.as_json() for row in people])


_RECORDS = "json_to_recordset(%s) AS given ({})".format(
    ", ".join(f"{name} {'text' if kind == 'bytea' else kind}" for name, kind in _TYPES.items())
)


def _given(name: str) -> str:
    """A column of the records that a JSON parameter holds."""
    return f"decode(given.{name}, 'hex')" if name in _HASHES else f"given.{name}"
