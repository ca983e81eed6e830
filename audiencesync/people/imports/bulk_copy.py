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
from audiencesync.people.imports.copy_lines import (
    differences_sql,
    has_new_value_sql,
    hash_assignments_sql,
    needs_upsert_sql,
)
from audiencesync.people.imports.mapping import ConvertedRows, Plan
from audiencesync.people.models import KINDS, ErasedName, PastIdentifier, Profile
from audiencesync.people.models.imports import Import, ImportMember
from audiencesync.people.privacy import consent, erasure_ledger
from audiencesync.people.writing import live_marks, lookup
from audiencesync.people.writing.attribute_changes import MOST_ATTRIBUTES
from audiencesync.people.writing.columns import CONSENTS, HASHES, hashes_of

PROFILES, PAST, MEMBERS, ERASED = (
    model._meta.db_table for model in (Profile, PastIdentifier, ImportMember, ErasedName)
)
KEYS = ("external_id", "email", "phone")
NESTED_TARGETS = ("kept", "rest")  # columns whose cells may hold lists and objects


class Unusual(Exception):
    """A person of the chunk needs ``upsert``.

    The person may be erased, is written by another process meanwhile, was hashed by a former rule,
    would lose a usable identifier, or may get too many attributes.
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
    """Numbers of rows that created or updated profiles, and of people new to the import."""

    created: int
    updated: int
    people: int


class Columns:
    """The columns of the profile that a plan fills, and what the SQL depends on."""

    def __init__(self, plan: Plan, app_group: AppGroup) -> None:
        self.plan, self.app_group = plan, app_group
        self.hashes_only = app_group.hash_only
        targets = {column.target for _index, column in plan.used_columns()}
        self.kinds = [kind for kind in KINDS if kind in targets]
        self.hashes = [name for kind in self.kinds for name in hashes_of(kind)]
        self.plain = [
            name
            for name in ("country", "language", "ad_tracking_enabled", "ads_consent")
            if name in targets
        ]
        # All other targets are types of attributes.
        self.has_attributes = bool(targets - {"external_id", "alias", *KINDS, *self.plain})
        self.checks_erased = erasure_ledger.is_used(app_group)
        # True if the last chunk held only new people: then one query looks for known ones.
        self.expects_only_new = True
        self.key_column = plan.key if plan.key == "external_id" else f"{plan.key}_sha256"

    def copy_data(self, converted: ConvertedRows) -> CopyData:
        """Return one line per person. Where a key repeats, the last value wins."""
        fields = dict(converted.fields)
        region, n_rows = self.app_group.phone_region, len(converted)
        blank = [None] * n_rows
        for kind in self.kinds:  # a placeholder is an empty cell
            fields[kind] = [
                None if value and normalise.is_placeholder(value) else value
                for value in fields[kind]
            ]
        raw_columns = [[value or "" for value in fields.get(kind, blank)] for kind in KINDS]
        hashes = list(normalise.hash_rows(zip(*raw_columns, strict=True), region=region))
        invalid = [hashed.invalid for hashed in hashes]
        for name in HASHES:
            fields[name] = list(map(attrgetter(name.removesuffix("_sha256")), hashes))
        fields["invalid"], fields["attributes"] = invalid, converted.attributes
        invalid_by_row = list(invalid)  # _one_per_key changes the list in place
        keys, digests = fields[self.key_column], self._digests(fields)
        if len(set(keys)) < n_rows:
            fields = self._one_per_key(fields, keys)
        return CopyData(
            n_rows, len(fields[self.key_column]), self._lines(fields), invalid_by_row, digests
        )

    def _digests(self, fields: dict[str, list[Any]]) -> dict[str, bytes] | None:
        """Return the digests of each kind, joined: an array of as many values is slower to send."""
        if not self.checks_erased:
            return None
        app_group, digests = self.app_group, dict[str, bytes]()
        for kind in erasure_ledger.ADDRESSES:
            digests[kind] = erasure_ledger.digests(
                app_group, kind, fields[f"{kind}_sha256"], fields.get(kind, ())
            )
        if self.plan.key == "external_id":
            digests["external_id"] = erasure_ledger.digests(
                app_group, "external_id", [name.encode() for name in fields["external_id"]]
            )
        return digests

    def _one_per_key(
        self, fields: dict[str, list[Any]], keys: Sequence[Any]
    ) -> dict[str, list[Any]]:
        """Return one row per key; values of later rows replace those of earlier rows."""
        first_index: dict[Any, int] = {}
        indexes = []
        for index, key in enumerate(keys):
            kept_index = first_index.setdefault(key, index)
            if kept_index == index:
                indexes.append(index)
                continue
            fields["attributes"][kept_index].update(fields["attributes"][index])
            for bit, kind in enumerate(KINDS):
                if kind not in fields:
                    continue
                value, hashes = fields[kind][index], fields[f"{kind}_sha256"]
                # As in `upsert`: only a refusal of tracking replaces a usable value without a hash.
                loses_hash = (
                    hashes[index] is None
                    and hashes[kept_index] is not None
                    and not normalise.is_tracking_refusal(kind, value or "")
                )
                if (
                    value is not None
                    and not loses_hash
                    and not normalise.is_hash_of(value, hashes[kept_index])
                ):
                    fields[kind][kept_index] = value
                    for name in hashes_of(kind):
                        fields[name][kept_index] = fields[name][index]
                    fields["invalid"][kept_index] = (  # the later row's bit of this kind
                        fields["invalid"][kept_index] & ~(1 << bit)
                        | fields["invalid"][index] & 1 << bit
                    )
            for name in self.plain:
                if fields[name][index] is not None:
                    fields[name][kept_index] = fields[name][index]
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
            # Hashes only: "" stands for a given value, so that `_update` can tell it from none.
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
                copy_lines.texts(
                    [orjson.dumps(attributes).decode() for attributes in fields["attributes"]]
                )
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
            lookup.lock_new_anonymous(self.columns.app_group)
        else:
            lookup.lock_external_ids(self.columns.app_group, alone=False)
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
        n_known = self._find_known()
        self.columns.expects_only_new = not n_known
        # Read after the search: a person erased later was found, and is missing when locked.
        if self._is_anybody_erased(copied):
            raise Unusual
        n_created = self._insert_new() if n_known < copied.n_people else 0
        if n_created + n_known != copied.n_people:
            raise Unusual
        if n_known:
            self._update_known(n_known)
        self.cursor.execute(
            f"INSERT INTO {MEMBERS} (run_id, profile_id, is_created)"
            " SELECT %s, profile_id, is_new FROM import_rows ON CONFLICT DO NOTHING",
            [self.run.pk],
        )
        n_members = self.cursor.rowcount
        if live_marks.has_live_segments(self.columns.app_group.pk):
            mark_sql = live_marks.mark_sql("profile_id FROM import_rows")
            self.cursor.execute(mark_sql, [self.columns.app_group.pk])
        return Counts(n_created, copied.n_rows - n_created, n_members)

    def _is_anybody_erased(self, copied: CopyData) -> bool:
        """Return whether the erasure ledger has one of the names."""
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

    def _find_known(self) -> int:
        """Set ``profile_id`` and ``is_new`` of all rows. Return how many profiles are known.

        Of several profiles with one hash the last updated is taken; new people get new ids. One
        index look-up per person, in a form that leaves the planner no choice: the statistics
        of a growing table are wrong, and the planner would read all profiles for each chunk.
        """
        self.cursor.execute(
            "UPDATE import_rows t SET (profile_id, is_new) ="
            " (SELECT COALESCE(found.id, nextval(pg_get_serial_sequence(%s, 'id'))),"
            " found.id IS NULL FROM"
            f" (SELECT ({self._profile_query()}) AS id OFFSET 0) found)",
            [PROFILES, self.columns.app_group.pk],
        )
        self.cursor.execute("SELECT count(*) FROM import_rows WHERE NOT is_new")
        return int(self.cursor.fetchone()[0])

    def _profile_query(self) -> str:
        """Return the query for the known profile of row ``t``; it has one parameter, the group."""
        key = self.columns.plan.key
        match = "p.external_id = t.key"
        if key != "external_id":
            match = f"p.{key}_sha256 = t.key ORDER BY p.updated_at DESC, p.id DESC"
        return f"SELECT p.id FROM {PROFILES} p WHERE p.app_group_id = %s AND {match} LIMIT 1"

    def _is_anybody_known(self) -> bool:
        query = f"SELECT 1 FROM import_rows t WHERE ({self._profile_query()}) IS NOT NULL LIMIT 1"
        self.cursor.execute(query, [self.columns.app_group.pk])
        return self.cursor.fetchone() is not None

    def _insert_all(self) -> None:
        """Insert all people and members of the import, in one statement without a search."""
        insert_sql, params = self._insert_sql(
            "nextval(pg_get_serial_sequence(%s, 'id'))", [PROFILES]
        )
        mark_sql, group = "", self.columns.app_group.pk
        if live_marks.has_live_segments(group):
            mark_sql = f", marked AS ({live_marks.mark_sql('id FROM made')})"
            params = [*params, group]
        try:
            self.cursor.execute(
                f"WITH made AS ({insert_sql} RETURNING id){mark_sql}"
                f" INSERT INTO {MEMBERS} (run_id, profile_id, is_created)"
                " SELECT %s, id, true FROM made",
                [*params, self.run.pk],
            )
        except IntegrityError:  # another writer inserted one of them
            raise Unusual from None

    def _insert_new(self) -> int:
        """Insert new people; return how many were inserted."""
        insert_sql, params = self._insert_sql("t.profile_id", [], where="WHERE t.is_new")
        self.cursor.execute(
            f"{insert_sql} ON CONFLICT (app_group_id, external_id) DO NOTHING", params
        )
        return int(self.cursor.rowcount)

    def _insert_sql(self, pk: str, params: list[Any], *, where: str = "") -> tuple[str, list[Any]]:
        """Return the statement that inserts people in the order of their keys, and parameters.

        In this order concurrent writers cannot deadlock. ``pk``: SQL of the new id.
        """
        columns = self.columns
        # Column of the profile -> SQL of its value; columns that the plan lacks get defaults.
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
        has_external_id = columns.plan.key == "external_id"
        external_id, collate = ("t.key", ' COLLATE "C"') if has_external_id else ("NULL", "")
        sql = (
            f"INSERT INTO {PROFILES} (id, app_group_id, external_id, {', '.join(sources)},"
            " attributes, invalid_kinds, rule_version, created_at, updated_at)"
            f" SELECT {pk}, %s, {external_id}, {', '.join(sources.values())},"
            " COALESCE(t.attributes, '{}'), t.invalid, %s, %s, %s"
            f" FROM import_rows t {where} ORDER BY t.key{collate}"
        )
        return sql, [*params, columns.app_group.pk, normalise.RULE_VERSION, self.now, self.now]

    def _update_known(self, n_known: int) -> None:
        """Lock and compare the known profiles, record the hashes they lose, update them."""
        n_locked, n_changed, n_unusual = self._compare()
        if n_locked != n_known or n_unusual:
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
        if n_changed and "ads_consent" in self.columns.plain:
            self.cursor.execute(
                "SELECT profile_id FROM import_rows WHERE NOT is_new AND NOT ads_consent"
                " AND was_consent IS DISTINCT FROM false"
            )
            consent.record_withdrawals(
                self.columns.app_group, [pk for (pk,) in self.cursor.fetchall()], now=self.now
            )
        if n_changed:
            self._update()

    def _compare(self) -> tuple[int, int, int]:
        """Lock the known profiles by id. Return how many: locked, changed, unusual."""
        columns = self.columns
        differences = differences_sql(columns.kinds, columns.plain)
        if columns.has_attributes:
            targets = {column.target for _index, column in columns.plan.used_columns()}
            # @> is faster, but right only for flat values: a list also contains a part of itself.
            is_flat = targets.isdisjoint(NESTED_TARGETS)
            differences.append(
                "NOT known.attributes @> t.attributes"
                if is_flat
                else "known.attributes || t.attributes IS DISTINCT FROM known.attributes"
            )
        names = [*columns.kinds, *columns.hashes, *columns.plain]
        names += ["attributes", "invalid_kinds", "rule_version"]
        assignments = "".join(
            f"was_{kind} = known.{kind}_sha256,"
            f" {kind} = CASE WHEN {has_new_value_sql(kind)} THEN t.{kind} END, "
            for kind in columns.kinds
        )
        assignments += "was_consent = known.ads_consent, " if "ads_consent" in columns.plain else ""
        self.cursor.execute("SET LOCAL enable_nestloop = off")
        self.cursor.execute(
            f"WITH known AS MATERIALIZED (SELECT p.id, {', '.join(f'p.{name}' for name in names)}"
            f" FROM {PROFILES} p WHERE"
            " p.id = ANY(ARRAY(SELECT profile_id FROM import_rows WHERE NOT is_new))"
            " AND p.erased_at IS NULL ORDER BY p.id FOR NO KEY UPDATE),"
            f" compared AS (UPDATE import_rows t SET {assignments}"
            f" is_changed = {' OR '.join(differences) or 'false'},"
            f" is_unusual = {needs_upsert_sql(columns.kinds)} OR"
            # Only large values are counted: fewer bytes cannot hold so many attributes.
            " CASE WHEN pg_column_size(known.attributes) > 1000"
            " THEN (SELECT count(*) FROM jsonb_object_keys(known.attributes)) > %s ELSE false END"
            " FROM known WHERE known.id = t.profile_id RETURNING t.is_changed, t.is_unusual)"
            " SELECT count(*), count(*) FILTER (WHERE is_changed),"
            " count(*) FILTER (WHERE is_unusual) FROM compared",
            [MOST_ATTRIBUTES - len(columns.plan.columns)],
        )
        n_locked, n_changed, n_unusual = self.cursor.fetchone()
        self.cursor.execute("SET LOCAL enable_nestloop = on")
        return n_locked, n_changed, n_unusual

    def _update(self) -> None:
        """Write new values; an empty cell leaves the known value."""
        columns = self.columns
        assignments = [
            f"{name} = COALESCE(t.{name}, p.{name})" for name in (*columns.kinds, *columns.plain)
        ]
        for kind in columns.kinds:
            assignments += hash_assignments_sql(kind)
        if columns.has_attributes:
            assignments.append("attributes = p.attributes || t.attributes")
        if columns.kinds:
            given_bits = " | ".join(
                f"CASE WHEN t.{kind} IS NULL THEN 0 ELSE {1 << KINDS.index(kind)} END"
                for kind in columns.kinds
            )
            assignments.append(f"invalid_kinds = (p.invalid_kinds & ~({given_bits})) | t.invalid")
            assignments.append(f"rule_version = {normalise.RULE_VERSION}")
        self.cursor.execute(
            f"UPDATE {PROFILES} p SET updated_at = %s, {', '.join(assignments)} FROM import_rows t"
            " WHERE t.profile_id = p.id AND t.is_changed",
            [self.now],
        )
