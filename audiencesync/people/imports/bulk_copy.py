"""Write a chunk on PostgreSQL by COPY into a temporary table and a handful of statements.

It does what ``upsert`` does, with the same order of locks (the group, new profiles by external id,
known profiles by id), for the plain case. Other chunks raise Unusual, and ``upsert`` writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

import orjson
from django.db import IntegrityError, connection
from django.db.backends.utils import CursorWrapper

from audiencesync.groups.models import AppGroup
from audiencesync.people.identifiers import normalise
from audiencesync.people.imports import copy_lines
from audiencesync.people.imports.copy_lines import is_new, is_rehashed, needs_upsert
from audiencesync.people.imports.mapping import ConvertedRows, Plan
from audiencesync.people.models import KINDS, ErasedName, PastIdentifier, Profile
from audiencesync.people.models.imports import Import, ImportMember
from audiencesync.people.privacy import consent, erasure_ledger
from audiencesync.people.writing import live_marks, lookup
from audiencesync.people.writing.attribute_changes import MOST_ATTRIBUTES
from audiencesync.people.writing.columns import ALTERNATIVES, CONSENTS, HASHES, hashes_of

PROFILES, PAST, MEMBERS, ERASED = (
    model._meta.db_table for model in (Profile, PastIdentifier, ImportMember, ErasedName)
)
KEYS = ("external_id", "email", "phone")
NESTED = ("kept", "rest")  # columns whose cells may hold lists and objects


class Unusual(Exception):
    """A person of the chunk needs ``upsert``.

    They are or may be erased, another writer was faster, they were hashed by a former rule, they
    would lose a usable identifier, or they may exceed the number of attributes.
    """


@dataclass(frozen=True, slots=True)
class CopyData:
    """People of a chunk as lines for COPY, one per person. ``n_rows``: the rows they come from."""

    n_rows: int
    n_people: int
    body: bytes
    # For each row a bit for each of KINDS: set if the identifier is unusable.
    invalid: list[int]
    # Kind -> the digests of all rows, joined; None: the ledger was empty, none were computed.
    erasure_digests: dict[str, bytes] | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows that created and that updated profiles; people that are new to the import."""

    created: int
    updated: int
    people: int


class Columns:
    """Columns that a plan fills, and the statements that follow. Holds no personal values."""

    def __init__(self, plan: Plan, app_group: AppGroup) -> None:
        self.plan, self.app_group = plan, app_group
        self.hashes_only = app_group.hash_only
        targets = {column.target for _place, column in plan.used()}
        self.kinds = [kind for kind in KINDS if kind in targets]
        self.hashes = [name for kind in self.kinds for name in hashes_of(kind)]
        self.plain = [
            name
            for name in ("country", "language", "ad_tracking_enabled", "ads_consent")
            if name in targets
        ]
        self.has_attributes = bool(targets - {"external_id", "alias", *KINDS, *self.plain})
        self.has_erased = erasure_ledger.is_used(app_group)
        # All people of the last chunk were new: one query may replace the search per person.
        self.expects_only_new = True
        self.key_column = plan.key if plan.key == "external_id" else f"{plan.key}_sha256"

    def copy_data(self, converted: ConvertedRows) -> CopyData:
        """Return one line per person. Where a key repeats, the last value wins."""
        fields = dict(converted.fields)
        region, n = self.app_group.phone_region, len(converted)
        blank = [None] * n
        for kind in self.kinds:  # a placeholder is an empty cell
            fields[kind] = [
                None if value and normalise.is_placeholder(value) else value
                for value in fields[kind]
            ]
        raw = [[value or "" for value in fields.get(kind, blank)] for kind in KINDS]
        hashes = list(normalise.hash_rows(zip(*raw, strict=True), region=region))
        invalid = [one.invalid for one in hashes]
        for name in HASHES:
            fields[name] = list(map(attrgetter(name.removesuffix("_sha256")), hashes))
        fields["invalid"], fields["attributes"] = invalid, converted.attributes
        invalid_by_row = list(invalid)  # _merged changes the list in place
        keys, digests = fields[self.key_column], self._digests(fields)
        if len(set(keys)) < n:
            fields = self._merged(fields, keys)
        return CopyData(
            n, len(fields[self.key_column]), self._lines(fields), invalid_by_row, digests
        )

    def _digests(self, fields: dict[str, list[Any]]) -> dict[str, bytes] | None:
        """Return the digests of each kind as one value: a long array takes longer to send."""
        if not self.has_erased:
            return None
        group, found = self.app_group, dict[str, bytes]()
        for kind in erasure_ledger.ADDRESSES:
            found[kind] = erasure_ledger.digests(
                group, kind, fields[f"{kind}_sha256"], fields.get(kind, ())
            )
        if self.plan.key == "external_id":
            found["external_id"] = erasure_ledger.digests(
                group, "external_id", [name.encode() for name in fields["external_id"]]
            )
        return found

    def _merged(self, fields: dict[str, list[Any]], keys: Sequence[Any]) -> dict[str, list[Any]]:
        """Return one row per key; values of later rows replace those of earlier rows."""
        first: dict[Any, int] = {}
        indexes = []
        for index, key in enumerate(keys):
            at = first.setdefault(key, index)
            if at == index:
                indexes.append(index)
                continue
            fields["attributes"][at].update(fields["attributes"][index])
            for bit, kind in enumerate(KINDS):
                if kind not in fields:
                    continue
                value, hashes = fields[kind][index], fields[f"{kind}_sha256"]
                is_worse = (
                    hashes[index] is None
                    and hashes[at] is not None
                    and not normalise.is_tracking_refusal(kind, value or "")
                )
                if (
                    value is not None
                    and not is_worse
                    and not normalise.is_hash_of(value, hashes[at])
                ):
                    fields[kind][at] = value
                    for name in hashes_of(kind):
                        fields[name][at] = fields[name][index]
                    fields["invalid"][at] = (
                        fields["invalid"][at] & ~(1 << bit) | fields["invalid"][index] & 1 << bit
                    )
            for name in self.plain:
                if fields[name][index] is not None:
                    fields[name][at] = fields[name][index]
        return {name: [values[index] for index in indexes] for name, values in fields.items()}

    def copy_columns(self) -> list[str]:
        """Return the columns that COPY fills, the key first."""
        attributes = ["attributes"] if self.has_attributes else []
        return ["key", *self.kinds, *self.hashes, *self.plain, "invalid", *attributes]

    def _lines(self, fields: dict[str, list[Any]]) -> bytes:
        """Return the rows in COPY's text format."""
        keys = fields[self.key_column]
        columns: list[Iterable[str]] = [
            copy_lines.texts(keys) if self.plan.key == "external_id" else copy_lines.hashes(keys)
        ]
        for kind in self.kinds:
            cells = (
                [None if value is None else "" for value in fields[kind]]
                if self.hashes_only
                else fields[kind]
            )
            columns.append(copy_lines.texts(cells))
        columns += [copy_lines.hashes(fields[name]) for name in self.hashes]
        for name in self.plain:
            is_boolean = name in ("ad_tracking_enabled", "ads_consent")
            columns.append(
                [copy_lines.BOOLEANS[value] for value in fields[name]]
                if is_boolean
                else copy_lines.texts(fields[name])
            )
        columns.append(map(str, fields["invalid"]))
        if self.has_attributes:
            columns.append(
                copy_lines.texts([orjson.dumps(known).decode() for known in fields["attributes"]])
            )
        return "".join(f"{line}\n" for line in map("\t".join, zip(*columns, strict=True))).encode()


def write(run: Import, columns: Columns, copied: CopyData, *, now: datetime) -> Counts:
    """Apply a chunk inside the caller's transaction. After Unusual the caller rolls back."""
    if not copied.n_people:
        return Counts(0, 0, 0)
    with connection.cursor() as cursor:
        return _Writer(cursor, run, columns, now).write(copied)


class _Writer:
    def __init__(self, cursor: CursorWrapper, run: Import, columns: Columns, now: datetime) -> None:
        self.cursor, self.run, self.columns, self.now = cursor, run, columns, now

    def write(self, copied: CopyData) -> Counts:
        if self.columns.plan.key != "external_id":
            lookup.lock_newcomers(self.columns.app_group)
        else:
            lookup.lock_names(self.columns.app_group, alone=False)
        self._copy(copied)
        is_all_new = self.columns.expects_only_new and not self._is_anybody_known()
        counts = self._write_all_new(copied) if is_all_new else self._write_mixed(copied)
        self.cursor.execute("DROP TABLE import_rows")
        return counts

    def _write_all_new(self, copied: CopyData) -> Counts:
        """Insert a chunk of unknown people. Raise Unusual if the ledger may have one of them."""
        if self._is_anybody_erased(copied):
            raise Unusual
        self._insert_all()
        return Counts(copied.n_people, copied.n_rows - copied.n_people, copied.n_people)

    def _write_mixed(self, copied: CopyData) -> Counts:
        """Update the known people and insert the others."""
        known = self._find()
        self.columns.expects_only_new = not known
        # After the search: who is erased from now on was found, and is missing when locked.
        if self._is_anybody_erased(copied):
            raise Unusual
        created = self._insert_new() if known < copied.n_people else 0
        if created + known != copied.n_people:
            raise Unusual
        if known:
            self._update_known(known)
        self.cursor.execute(
            f"INSERT INTO {MEMBERS} (run_id, profile_id, is_created)"
            " SELECT %s, profile_id, is_new FROM import_rows ON CONFLICT DO NOTHING",
            [self.run.pk],
        )
        people = self.cursor.rowcount
        if live_marks.has_live_segments(self.columns.app_group.pk):
            marking = live_marks.marking("profile_id FROM import_rows")
            self.cursor.execute(marking, [self.columns.app_group.pk])
        return Counts(created, copied.n_rows - created, people)

    def _is_anybody_erased(self, copied: CopyData) -> bool:
        """Return whether the ledger has one of the names."""
        group = self.columns.app_group
        if not erasure_ledger.is_used(group):
            return False
        if copied.erasure_digests is None:  # the ledger was still empty when the names were read
            return True
        self.cursor.execute(
            "SELECT 1 FROM unnest(%s::text[], %s::bytea[]) AS given (kind, digests),"
            " generate_series(1, length(given.digests), 32) AS place"
            f" WHERE (SELECT 1 FROM {ERASED} e WHERE e.app_group_id = %s AND e.kind = given.kind"
            " AND e.digest = substr(given.digests, place, 32) LIMIT 1) IS NOT NULL LIMIT 1",
            [list(copied.erasure_digests), list(copied.erasure_digests.values()), group.pk],
        )
        return self.cursor.fetchone() is not None

    def _copy(self, copied: CopyData) -> None:
        """Create a temporary table with the people of the chunk."""
        kinds = self.columns.kinds
        key = "text" if self.columns.plan.key == "external_id" else "bytea"
        self.cursor.execute(
            f"CREATE TEMP TABLE import_rows (key {key} NOT NULL,"
            " email text, phone text, idfa text, gaid text,"
            f" {''.join(f'{name} bytea, ' for name in HASHES)} country text, language text,"
            " ad_tracking_enabled boolean, ads_consent boolean, invalid smallint, attributes jsonb,"
            f" {''.join(f'was_{kind} bytea, ' for kind in kinds)}"
            " profile_id bigint, is_new boolean NOT NULL DEFAULT false,"
            " is_changed boolean, is_unusual boolean, was_consent boolean) ON COMMIT DROP"
        )
        with self.cursor.copy(
            f"COPY import_rows ({', '.join(self.columns.copy_columns())}) FROM STDIN"
        ) as copy:
            copy.write(copied.body)

    def _find(self) -> int:
        """Find known profiles (of several with one hash the latest update); others get new ids.

        One index look-up per person, in a form that leaves the planner no choice: the statistics
        of a growing table are wrong, and the planner would read all profiles for each chunk.
        """
        self.cursor.execute(
            "UPDATE import_rows t SET (profile_id, is_new) ="
            " (SELECT COALESCE(found.id, nextval(pg_get_serial_sequence(%s, 'id'))),"
            " found.id IS NULL FROM"
            f" (SELECT ({self._found()}) AS id OFFSET 0) found)",
            [PROFILES, self.columns.app_group.pk],
        )
        self.cursor.execute("SELECT count(*) FROM import_rows WHERE NOT is_new")
        return int(self.cursor.fetchone()[0])

    def _found(self) -> str:
        """Return the query for the profile of ``t``: one index look-up, whatever the planner."""
        key = self.columns.plan.key
        is_them = "p.external_id = t.key"
        if key != "external_id":
            is_them = f"p.{key}_sha256 = t.key ORDER BY p.updated_at DESC, p.id DESC"
        return f"SELECT p.id FROM {PROFILES} p WHERE p.app_group_id = %s AND {is_them} LIMIT 1"

    def _is_anybody_known(self) -> bool:
        known = f"SELECT 1 FROM import_rows t WHERE ({self._found()}) IS NOT NULL LIMIT 1"
        self.cursor.execute(known, [self.columns.app_group.pk])
        return self.cursor.fetchone() is not None

    def _insert_all(self) -> None:
        """Insert all as members of the import, without a second search by PostgreSQL."""
        inserting, params = self._inserting("nextval(pg_get_serial_sequence(%s, 'id'))", [PROFILES])
        marked, group = "", self.columns.app_group.pk
        if live_marks.has_live_segments(group):
            marked, params = f", marked AS ({live_marks.marking('id FROM made')})", [*params, group]
        try:
            self.cursor.execute(
                f"WITH made AS ({inserting} RETURNING id){marked}"
                f" INSERT INTO {MEMBERS} (run_id, profile_id, is_created)"
                " SELECT %s, id, true FROM made",
                [*params, self.run.pk],
            )
        except IntegrityError:  # another writer inserted one of them
            raise Unusual from None

    def _insert_new(self) -> int:
        """Insert new people; return how many were inserted."""
        inserting, params = self._inserting("t.profile_id", [], only="WHERE t.is_new")
        self.cursor.execute(
            f"{inserting} ON CONFLICT (app_group_id, external_id) DO NOTHING", params
        )
        return int(self.cursor.rowcount)

    def _inserting(self, pk: str, params: list[Any], *, only: str = "") -> tuple[str, list[Any]]:
        """Return the statement that inserts people in the order of their keys, and parameters."""
        columns = self.columns
        sources = {
            "country": "''",
            "language": "''",
            "ad_tracking_enabled": "NULL",
            "ads_consent": "NULL",
        }
        sources |= dict.fromkeys(KINDS, "''") | dict.fromkeys(HASHES, "NULL")
        for name in (*columns.kinds, "country", "language"):
            sources[name] = f"COALESCE(t.{name}, '')"
        for name in (*columns.hashes, *CONSENTS):
            sources[name] = f"t.{name}"
        is_named = columns.plan.key == "external_id"
        name, collate = ("t.key", ' COLLATE "C"') if is_named else ("NULL", "")
        sql = (
            f"INSERT INTO {PROFILES} (id, app_group_id, external_id, {', '.join(sources)},"
            " attributes, invalid_kinds, rule_version, created_at, updated_at)"
            f" SELECT {pk}, %s, {name}, {', '.join(sources.values())},"
            " COALESCE(t.attributes, '{}'), t.invalid, %s, %s, %s"
            f" FROM import_rows t {only} ORDER BY t.key{collate}"
        )
        return sql, [*params, columns.app_group.pk, normalise.RULE_VERSION, self.now, self.now]

    def _update_known(self, known: int) -> None:
        """Lock and compare the known profiles, record the hashes they lose, update them."""
        locked, changed, unusual = self._compare()
        if locked != known or unusual:
            raise Unusual
        for kind in self.columns.kinds:
            self.cursor.execute(
                f"INSERT INTO {PAST} (profile_id, kind, sha256, replaced_at)"
                f" SELECT profile_id, %s, was_{kind}, %s FROM import_rows"
                f" WHERE is_changed AND {kind} IS NOT NULL AND was_{kind} IS NOT NULL"
                f" AND was_{kind} IS DISTINCT FROM {kind}_sha256"
                " ORDER BY profile_id ON CONFLICT DO NOTHING",
                [kind, self.now],
            )
        if changed and "ads_consent" in self.columns.plain:
            self.cursor.execute(
                "SELECT profile_id FROM import_rows WHERE NOT is_new AND NOT ads_consent"
                " AND was_consent IS DISTINCT FROM false"
            )
            consent.record_withdrawals(
                self.columns.app_group, [pk for (pk,) in self.cursor.fetchall()], now=self.now
            )
        if changed:
            self._update()

    def _compare(self) -> tuple[int, int, int]:
        """Lock the known profiles by id. Return how many: locked, changed, unusual."""
        columns = self.columns
        tests = [
            f"({is_new(kind)} AND (t.{kind} <> known.{kind} OR {is_rehashed(kind)}))"
            for kind in columns.kinds
        ]
        tests += [
            f"(t.{name} IS NOT NULL AND t.{name} IS DISTINCT FROM known.{name})"
            for name in columns.plain
        ]
        if columns.has_attributes:
            is_flat = all(column.target not in NESTED for _place, column in columns.plan.used())
            # Quicker, but for flat values only: a part of a list is contained in the list.
            is_news = "NOT known.attributes @> t.attributes"
            tests.append(
                is_news
                if is_flat
                else "known.attributes || t.attributes IS DISTINCT FROM known.attributes"
            )
        names = [*columns.kinds, *columns.hashes, *columns.plain, "attributes", "rule_version"]
        was = "".join(
            f"was_{kind} = known.{kind}_sha256,"
            f" {kind} = CASE WHEN {is_new(kind)} THEN t.{kind} END, "
            for kind in columns.kinds
        )
        was += "was_consent = known.ads_consent, " if "ads_consent" in columns.plain else ""
        self.cursor.execute("SET LOCAL enable_nestloop = off")
        self.cursor.execute(
            f"WITH known AS MATERIALIZED (SELECT p.id, {', '.join(f'p.{name}' for name in names)}"
            f" FROM {PROFILES} p WHERE"
            " p.id = ANY(ARRAY(SELECT profile_id FROM import_rows WHERE NOT is_new))"
            " AND p.erased_at IS NULL ORDER BY p.id FOR NO KEY UPDATE),"
            f" compared AS (UPDATE import_rows t SET {was}"
            f" is_changed = {' OR '.join(tests) or 'false'},"
            f" is_unusual = {needs_upsert(columns.kinds)} OR"
            " CASE WHEN pg_column_size(known.attributes) > 1000"
            " THEN (SELECT count(*) FROM jsonb_object_keys(known.attributes)) > %s ELSE false END"
            " FROM known WHERE known.id = t.profile_id RETURNING t.is_changed, t.is_unusual)"
            " SELECT count(*), count(*) FILTER (WHERE is_changed),"
            " count(*) FILTER (WHERE is_unusual) FROM compared",
            [MOST_ATTRIBUTES - len(columns.plan.columns)],
        )
        locked, changed, unusual = self.cursor.fetchone()
        self.cursor.execute("SET LOCAL enable_nestloop = on")
        return locked, changed, unusual

    def _update(self) -> None:
        """Write new values; an empty cell leaves the known value."""
        columns = self.columns
        sets = [
            f"{name} = COALESCE(t.{name}, p.{name})" for name in (*columns.kinds, *columns.plain)
        ]
        for kind in columns.kinds:
            hashed = f"{kind}_sha256"
            sets.append(
                f"{hashed} = CASE WHEN t.{kind} IS NULL THEN p.{hashed} ELSE t.{hashed} END"
            )
            if name := ALTERNATIVES.get(kind):  # hashed input has none: with an equal hash it stays
                is_kept = f"t.{kind} IS NULL OR t.{name} IS NULL AND t.{hashed} = p.{hashed}"
                sets.append(f"{name} = CASE WHEN {is_kept} THEN p.{name} ELSE t.{name} END")
        if columns.has_attributes:
            sets.append("attributes = p.attributes || t.attributes")
        if columns.kinds:
            given_bits = " | ".join(
                f"CASE WHEN t.{kind} IS NULL THEN 0 ELSE {1 << KINDS.index(kind)} END"
                for kind in columns.kinds
            )
            sets.append(f"invalid_kinds = (p.invalid_kinds & ~({given_bits})) | t.invalid")
            sets.append(f"rule_version = {normalise.RULE_VERSION}")
        self.cursor.execute(
            f"UPDATE {PROFILES} p SET updated_at = %s, {', '.join(sets)} FROM import_rows t"
            " WHERE t.profile_id = p.id AND t.is_changed",
            [self.now],
        )
