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

# settings of a group that change how a chunk is prepared
RULES = ("phone_region", "hash_only", "consent_attribute", "consent_values")
logger = logging.getLogger(__name__)
_TABLE = ImportMember._meta.db_table
_REASONS: dict[ChangeProblem, str] = {
    "invalid": "key_invalid",
    "gone": "gone",
    "erased": "erased",
    "too_many": "attributes",
}


@dataclass(frozen=True, slots=True)
class Written:
    """Counts of rows that created or updated a profile, and of profiles new to the import."""

    created: int
    updated: int
    people: int
    rejects: list[Reject]


@dataclass(frozen=True, slots=True)
class Prepared:
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
        targets = {column.target for _index, column in self.plan.used()}
        watched = app_group.consent_attribute or (
            app_group.remove_on_withdrawal and "ads_consent" in targets
        )
        is_plain = self.plan.key in bulk_copy.KEYS and not watched and "rest" not in targets
        is_fast = connection.vendor == "postgresql" and is_plain
        self.columns = bulk_copy.Columns(self.plan, app_group) if is_fast else None

    def is_stale(self) -> bool:
        """Return whether the settings of the group changed since this writer was made."""
        now = AppGroup.objects.get(pk=self.app_group.pk)
        return any(getattr(now, name) != getattr(self.app_group, name) for name in RULES)

    def prepare(self, parsed: ParsedRows) -> Prepared:
        """Convert and hash the rows; asks the database nothing."""
        converted, rejects = self.converter.read(parsed)
        copied = self.columns.copy_data(converted) if self.columns else None
        unusable = self._unusable(
            parsed, converted, copied.invalid if copied else self._judged(converted)
        )
        return Prepared(
            parsed, converted, sorted([*rejects, *unusable]) if unusable else rejects, copied
        )

    def _judged(self, converted: ConvertedRows) -> list[int]:
        """Return for each row which of its identifiers are invalid: a bit for each of KINDS."""
        blank = [None] * len(converted)
        raw = [[value or "" for value in converted.fields.get(kind, blank)] for kind in KINDS]
        if not any(map(any, raw)):
            return []
        hashes = normalise.hash_rows(zip(*raw, strict=True), region=self.app_group.phone_region)
        return [one.invalid for one in hashes]

    def _unusable(
        self, parsed: ParsedRows, converted: ConvertedRows, invalid: Sequence[int]
    ) -> list[Reject]:
        """Return a reject for every invalid identifier; its row is kept."""
        headers = {column.target: column.header for _index, column in self.plan.used()}
        return [
            Reject(
                parsed.lines[row_index],
                "unusable",
                headers[kind],
                parsed.rows[row_index],
                is_imported=True,
                kind=kind,
            )
            for row_index, bits in zip(converted.row_indexes, invalid, strict=False)
            if bits
            for bit, kind in enumerate(KINDS)
            if bits >> bit & 1
        ]

    def problem_counts(self, rejects: Sequence[Reject]) -> dict[str, dict[str, int]]:
        """Return the counts of the import with those of one more chunk added.

        Shape: {"left_out": {column: unreadable cells}, "unusable": {kind: identifiers}}.
        """
        found = {name: Counter(counts) for name, counts in self.run.problem_counts.items()}
        for reject in rejects:
            if reject.kind:
                found.setdefault("unusable", Counter())[reject.kind] += 1
            elif reject.is_imported:
                found.setdefault("left_out", Counter())[reject.column] += 1
        return {name: dict(counts) for name, counts in found.items()}

    def refused(self, chunk: Prepared) -> Prepared:
        """Return the same rows, all of them rejected."""
        parsed = chunk.parsed
        rows = zip(parsed.lines, parsed.rows, strict=True)
        rejects = [*parsed.rejects, *(Reject(line, "stored", "", cells) for line, cells in rows)]
        return Prepared(parsed, ConvertedRows([], {self.plan.key: []}, []), rejects, None)

    def write(self, chunk: Prepared, *, now: datetime) -> Written:
        """Apply the rows in their order, inside the caller's transaction."""
        if self.columns and chunk.copied:
            try:
                with transaction.atomic():
                    done = bulk_copy.write(self.run, self.columns, chunk.copied, now=now)
                return Written(done.created, done.updated, done.people, chunk.rejects)
            except bulk_copy.Unusual:
                logger.info("A chunk of import %s is written by upsert.", self.run.pk)
        return self._upsert(chunk, now=now)

    def _upsert(self, chunk: Prepared, *, now: datetime) -> Written:
        """Write by ``upsert``; the rows it refuses become rejects."""
        done = upsert(self.app_group, changes(chunk.converted, self.plan), now=now, from_file=True)
        rejects, parsed = list(chunk.rejects), chunk.parsed
        for index, problem in done.problems.items():
            row_index = chunk.converted.row_indexes[index]
            # the cells of an erased person are not stored again
            cells = [] if problem in ("erased", "gone") else parsed.rows[row_index]
            rejects.append(
                Reject(parsed.lines[row_index], _REASONS.get(problem, "stored"), "", cells)
            )
        people = [pk for pk in done.profile_ids if pk is not None]
        # Unchanged profiles, too: a segment may ask for the people of an import.
        live_marks.note(self.app_group.pk, people)
        refused = {reject.line for reject in rejects if not reject.is_imported}
        rejects = sorted(
            reject for reject in rejects if not (reject.is_imported and reject.line in refused)
        )
        n_people = _join(self.run, done.new & set(people), is_created=True)
        n_people += _join(self.run, set(people) - done.new, is_created=False)
        return Written(done.created, len(people) - done.created, n_people, rejects)


def changes(converted: ConvertedRows, plan: Plan) -> list[Change]:
    """Return one change per row: found by the key, every cell that is not blank is set."""
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


def _join(run: Import, ids: set[int], *, is_created: bool) -> int:
    """Add profiles to the import's members. Return how many are new."""
    if not ids:
        return 0
    given: Any = sorted(ids)
    source = "unnest(%s::bigint[])"
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            source, given = "value FROM json_each(%s) WHERE 1", orjson.dumps(given).decode()
        cursor.execute(
            f"INSERT INTO {_TABLE} (run_id, is_created, profile_id)"  # own names only
            f" SELECT %s, %s, {source} ON CONFLICT DO NOTHING",
            [run.pk, is_created, given],
        )
        return int(cursor.rowcount)


def note(run: Import, rejects: Sequence[Reject], *, position: int) -> None:
    """Store rejects in the transaction of their counts, without cells in hash-only groups."""
    if not rejects:
        return
    is_bare = run.app_group.hash_only
    kept = [
        [*reject[:3], [] if is_bare else list(map(storable, reject.cells)), reject.is_imported]
        for reject in rejects
    ]
    lines = b"\n".join(map(orjson.dumps, kept))
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
