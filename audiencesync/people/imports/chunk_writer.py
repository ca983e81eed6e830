"""Write the rows of a chunk: profiles, members of the import, rejected rows."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection, transaction

from audiencesync.groups.models import AppGroup
from audiencesync.people.changes import Change, ChangeProblem
from audiencesync.people.identifiers import normalise
from audiencesync.people.imports import bulk_copy
from audiencesync.people.imports.csv_reader import ParsedRows, Reject
from audiencesync.people.imports.mapping import ConvertedRows, Converter, Plan
from audiencesync.people.models import KINDS
from audiencesync.people.models.imports import Import, ImportMember, RejectPart
from audiencesync.people.writing import live_marks
from audiencesync.people.writing.upsert import upsert

# Settings of a group that a prepared chunk depends on.
WATCHED_SETTINGS = ("phone_region", "hash_only", "consent_attribute", "consent_values")
logger = logging.getLogger(__name__)
_TABLE = ImportMember._meta.db_table
_REASONS: dict[ChangeProblem, str] = {
    "invalid": "key_invalid",
    "gone": "gone",
    "erased": "erased",
    "too_many": "attributes",
}


@dataclass(frozen=True, slots=True)
class WrittenChunk:
    """Counts of rows that created or updated a profile, and of profiles new to the import."""

    created: int
    updated: int
    people: int
    rejects: list[Reject]


@dataclass(frozen=True, slots=True)
class PreparedChunk:
    """A chunk ready to be written. ``copied``: its rows for COPY; None without the fast path."""

    parsed: ParsedRows
    converted: ConvertedRows
    rejects: list[Reject]
    copied: bulk_copy.CopyData | None


class Writer:
    """Prepares and writes chunks by one plan."""

    def __init__(self, run: Import, app_group: AppGroup) -> None:
        self.run, self.app_group = run, app_group
        self.plan = Plan.of(run.plan)
        self.converter = Converter(
            self.plan, region=app_group.phone_region, hash_only=app_group.hash_only
        )
        targets = {column.target for _index, column in self.plan.used_columns()}
        watches_consent = app_group.consent_attribute or (
            app_group.remove_on_withdrawal and "ads_consent" in targets
        )
        # The fast path (bulk_copy.py) is for plain plans; ``upsert`` writes all others.
        is_plain = self.plan.key in bulk_copy.KEYS and not watches_consent and "rest" not in targets
        is_fast = connection.vendor == "postgresql" and is_plain
        self.columns = bulk_copy.Columns(self.plan, app_group) if is_fast else None

    def is_stale(self) -> bool:
        """Return whether the settings of the group changed since this writer was made."""
        current = AppGroup.objects.get(pk=self.app_group.pk)
        return any(
            getattr(current, name) != getattr(self.app_group, name) for name in WATCHED_SETTINGS
        )

    def prepare(self, parsed: ParsedRows) -> PreparedChunk:
        """Convert and hash the rows, without the database."""
        converted, rejects = self.converter.read(parsed)
        copied = self.columns.copy_data(converted) if self.columns else None
        unusable = self._unusable_rejects(
            parsed, converted, copied.invalid if copied else self._invalid_bits(converted)
        )
        return PreparedChunk(
            parsed, converted, sorted([*rejects, *unusable]) if unusable else rejects, copied
        )

    def _invalid_bits(self, converted: ConvertedRows) -> list[int]:
        """Return for each row which of its identifiers are invalid: a bit for each of KINDS."""
        blank = [None] * len(converted)
        raw = [[value or "" for value in converted.fields.get(kind, blank)] for kind in KINDS]
        if not any(map(any, raw)):
            return []
        hashes = normalise.hash_rows(zip(*raw, strict=True), region=self.app_group.phone_region)
        return [row_hashes.invalid for row_hashes in hashes]

    def _unusable_rejects(
        self, parsed: ParsedRows, converted: ConvertedRows, invalid: Sequence[int]
    ) -> list[Reject]:
        """Return a reject for every invalid identifier; its row is kept."""
        headers = {column.target: column.header for _index, column in self.plan.used_columns()}
        return [
            Reject(
                parsed.lines[row_index],
                "unusable",
                headers[kind],
                parsed.rows[row_index],
                is_imported=True,
                kind=kind,
            )
            # not strict: ``invalid`` is empty if no row has an identifier
            for row_index, bits in zip(converted.row_indexes, invalid, strict=False)
            if bits
            for bit, kind in enumerate(KINDS)
            if bits >> bit & 1
        ]

    def problem_counts(self, rejects: Sequence[Reject]) -> dict[str, dict[str, int]]:
        """Return the counts of the import with those of one more chunk added.

        Shape: {"left_out": {column: unreadable cells}, "unusable": {kind: identifiers}}.
        """
        problem_counts = {name: Counter(counts) for name, counts in self.run.problem_counts.items()}
        for reject in rejects:
            if reject.kind:
                problem_counts.setdefault("unusable", Counter())[reject.kind] += 1
            elif reject.is_imported:
                problem_counts.setdefault("left_out", Counter())[reject.column] += 1
        return {name: dict(counts) for name, counts in problem_counts.items()}

    def all_rejected(self, chunk: PreparedChunk) -> PreparedChunk:
        """Return the same rows, all of them rejected."""
        parsed = chunk.parsed
        rows = zip(parsed.lines, parsed.rows, strict=True)
        rejects = [*parsed.rejects, *(Reject(line, "stored", "", cells) for line, cells in rows)]
        return PreparedChunk(parsed, ConvertedRows([], {self.plan.key: []}, []), rejects, None)

    def write(self, chunk: PreparedChunk, *, now: datetime) -> WrittenChunk:
        """Apply the rows in their order, inside the caller's transaction."""
        if self.columns and chunk.copied:
            try:
                with transaction.atomic():
                    counts = bulk_copy.write(self.run, self.columns, chunk.copied, now=now)
                return WrittenChunk(counts.created, counts.updated, counts.people, chunk.rejects)
            except bulk_copy.Unusual:
                logger.info("A chunk of import %s is written by upsert.", self.run.pk)
        return self._upsert(chunk, now=now)

    def _upsert(self, chunk: PreparedChunk, *, now: datetime) -> WrittenChunk:
        """Write by ``upsert``; the rows it refuses become rejects."""
        result = upsert(
            self.app_group, changes(chunk.converted, self.plan), now=now, from_file=True
        )
        rejects, parsed = list(chunk.rejects), chunk.parsed
        for index, problem in result.problems.items():
            row_index = chunk.converted.row_indexes[index]
            # the cells of an erased person are not stored again
            cells = [] if problem in ("erased", "gone") else parsed.rows[row_index]
            rejects.append(
                Reject(parsed.lines[row_index], _REASONS.get(problem, "stored"), "", cells)
            )
        profile_ids = [pk for pk in result.profile_ids if pk is not None]
        # Unchanged profiles are marked, too: a segment may ask for the people of an import.
        live_marks.note(self.app_group.pk, profile_ids)
        rejected_lines = {reject.line for reject in rejects if not reject.is_imported}
        rejects = sorted(
            reject
            for reject in rejects
            if not (reject.is_imported and reject.line in rejected_lines)
        )
        n_people = _add_members(self.run, result.new & set(profile_ids), is_created=True)
        n_people += _add_members(self.run, set(profile_ids) - result.new, is_created=False)
        return WrittenChunk(result.created, len(profile_ids) - result.created, n_people, rejects)


def changes(converted: ConvertedRows, plan: Plan) -> list[Change]:
    """Return one change per row. The key finds the profile; blank cells change nothing."""
    keys = converted.fields[plan.key]
    names = [name for name in converted.fields if name not in ("external_id", "alias")]
    columns = [converted.fields[name] for name in names]
    values: Iterable[tuple[Any, ...]] = (
        zip(*columns, strict=True) if columns else (() for _key in keys)
    )
    return [
        Change(
            external_id=key if plan.key == "external_id" else None,
            alias=(plan.alias_label, key) if plan.key == "alias" else None,
            email=key if plan.key == "email" else None,
            phone=key if plan.key == "phone" else None,
            fields={
                name: value for name, value in zip(names, row, strict=True) if value is not None
            },
            attributes=attributes,
        )
        for key, row, attributes in zip(keys, values, converted.attributes, strict=True)
    ]


def _add_members(run: Import, ids: set[int], *, is_created: bool) -> int:
    """Add profiles to the import's members. Return how many are new."""
    if not ids:
        return 0
    profile_ids: Any = sorted(ids)
    source = "unnest(%s::bigint[])"
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            source, profile_ids = (
                "value FROM json_each(%s) WHERE 1",
                orjson.dumps(profile_ids).decode(),
            )
        cursor.execute(
            f"INSERT INTO {_TABLE} (run_id, is_created, profile_id)"  # own names only
            f" SELECT %s, %s, {source} ON CONFLICT DO NOTHING",
            [run.pk, is_created, profile_ids],
        )
        return int(cursor.rowcount)


def store_rejects(run: Import, rejects: Sequence[Reject], *, position: int) -> None:
    """Store rejects in the transaction of their counts, without cells in hash-only groups."""
    if not rejects:
        return
    without_cells = run.app_group.hash_only
    stored = [
        [
            *reject[:3],
            [] if without_cells else list(map(storable, reject.cells)),
            reject.is_imported,
        ]
        for reject in rejects
    ]
    lines = b"\n".join(map(orjson.dumps, stored))
    RejectPart.objects.create(
        run=run, position=position, n=len(rejects), body=zlib.compress(lines, 1)
    )


def storable(cell: str) -> str:
    """Return a cell as text that JSON and UTF-8 can hold."""
    return cell.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def rejects(run: Import) -> Iterator[Reject]:
    """Yield the rejects in the order of the file, one chunk at a time in memory."""
    for body in (
        RejectPart.objects.filter(run=run)
        .order_by("position")
        .values_list("body", flat=True)
        .iterator(1)
    ):
        yield from rejects_of(body)


def rejects_of(body: bytes | memoryview) -> Iterator[Reject]:
    """Yield the rejects of one chunk."""
    for line in zlib.decompress(body).split(b"\n"):
        yield Reject(*orjson.loads(line))
