"""Writes the rows of a chunk: people by ``upsert``, who they are as members of the import, what was rejected."""

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
from audiencesync.people.imports.csv_reader import Reject, Stretch
from audiencesync.people.imports.mapping import Batch, Converter, Plan
from audiencesync.people.models import KINDS
from audiencesync.people.models.imports import Import, ImportMember, RejectPart
from audiencesync.people.writing.upsert import upsert

RULES = (
    "phone_region",
    "hash_only",
    "consent_attribute",
    "consent_values",
)  # of a group, that bear upon a chunk
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
    """How many rows created somebody and how many updated somebody; how many people are new among its members."""

    created: int
    updated: int
    people: int
    rejects: list[Reject]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chunk that only has to be written: rows, what they ask for, what is rejected; and the way of the fast path."""

    stretch: Stretch
    batch: Batch
    rejects: list[Reject]
    copied: bulk_copy.Copied | None


class Writer:
    """Prepares and writes chunks by one plan."""

    def __init__(self, run: Import, app_group: AppGroup) -> None:
        self.run, self.app_group = run, app_group
        self.plan = Plan.of(run.plan)
        self.converter = Converter(
            self.plan, region=app_group.phone_region, hash_only=app_group.hash_only
        )
        told = {column.target for _place, column in self.plan.used()}
        watched = app_group.consent_attribute or (
            app_group.remove_on_withdrawal and "ads_consent" in told
        )
        is_plain = self.plan.key in bulk_copy.KEYS and not watched and "rest" not in told
        is_fast = connection.vendor == "postgresql" and is_plain
        self.columns = bulk_copy.Columns(self.plan, app_group) if is_fast else None

    def is_stale(self) -> bool:
        """Whether the group has other rules now than when this began."""
        now = AppGroup.objects.get(pk=self.app_group.pk)
        return any(getattr(now, name) != getattr(self.app_group, name) for name in RULES)

    def prepared(self, stretch: Stretch) -> Prepared:
        """All that needs no database."""
        batch, rejects = self.converter.read(stretch)
        copied = self.columns.copied(batch) if self.columns else None
        unusable = self._unusable(stretch, batch, copied.invalid if copied else self._judged(batch))
        return Prepared(
            stretch, batch, sorted([*rejects, *unusable]) if unusable else rejects, copied
        )

    def _judged(self, batch: Batch) -> list[int]:
        """For each row which of its identifiers nobody can have: a bit for each of KINDS."""
        blank = [None] * len(batch)
        raw = [[value or "" for value in batch.fields.get(kind, blank)] for kind in KINDS]
        if not any(map(any, raw)):
            return []
        hashes = normalise.hash_rows(zip(*raw, strict=True), region=self.app_group.phone_region)
        return [one.invalid for one in hashes]

    def _unusable(self, stretch: Stretch, batch: Batch, invalid: Sequence[int]) -> list[Reject]:
        """A note for every identifier that nobody can have."""
        headers = {column.target: column.header for _place, column in self.plan.used()}
        return [
            Reject(stretch.lines[place], "unusable", headers[kind], stretch.rows[place], True)
            for place, bits in zip(batch.places, invalid, strict=False)
            if bits
            for bit, kind in enumerate(KINDS)
            if bits >> bit & 1
        ]

    def told(self, rejects: Sequence[Reject]) -> dict[str, dict[str, int]]:
        """How many cells of each column were left out, how many identifiers cannot be used, those of earlier chunks too."""
        targets = {column.header: column.target for _place, column in self.plan.used()}
        told = {name: Counter(counts) for name, counts in self.run.told.items()}
        for reject in rejects:
            if reject.is_kept and reject.reason == "unusable":
                told.setdefault("unusable", Counter())[targets[reject.column]] += 1
            elif reject.is_kept:
                told.setdefault("left_out", Counter())[reject.column] += 1
        return {name: dict(counts) for name, counts in told.items()}

    def refused(self, chunk: Prepared) -> Prepared:
        """The same rows, all of them rejected."""
        stretch = chunk.stretch
        rows = zip(stretch.lines, stretch.rows, strict=True)
        rejects = [*stretch.rejects, *(Reject(line, "stored", "", cells) for line, cells in rows)]
        return Prepared(stretch, Batch([], {self.plan.key: []}, []), rejects, None)

    def write(self, chunk: Prepared, *, now: datetime) -> Written:
        """Apply the rows in their order, inside the caller's transaction."""
        if self.columns and chunk.copied:
            try:
                with transaction.atomic():
                    done = bulk_copy.write(self.run, self.columns, chunk.copied, now=now)
                return Written(done.created, done.updated, done.people, chunk.rejects)
            except bulk_copy.Unusual:
                logger.info("A chunk of import %s takes the long way.", self.run.pk)
        return self._upserted(chunk, now=now)

    def _upserted(self, chunk: Prepared, *, now: datetime) -> Written:
        """The long way. Rows that ``upsert`` refuses are rejects as well."""
        done = upsert(self.app_group, changes(chunk.batch, self.plan), now=now, from_file=True)
        rejects, stretch = list(chunk.rejects), chunk.stretch
        for index, problem in done.problems.items():
            place = chunk.batch.places[index]
            cells = (
                [] if problem in ("erased", "gone") else stretch.rows[place]
            )  # nothing of them is kept again
            rejects.append(Reject(stretch.lines[place], _REASONS.get(problem, "stored"), "", cells))
        people = [pk for pk in done.profile_ids if pk is not None]
        refused = {reject.line for reject in rejects if not reject.is_kept}
        rejects = sorted(
            reject for reject in rejects if not (reject.is_kept and reject.line in refused)
        )
        return Written(
            done.created, len(people) - done.created, _join(self.run, set(people)), rejects
        )


def changes(batch: Batch, plan: Plan) -> list[Change]:
    """One per row: found by the key, all that is not blank is set."""
    keys = batch.fields[plan.key]
    names = [name for name in batch.fields if name not in ("external_id", "alias")]
    columns = [batch.fields[name] for name in names]
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
        for key, row, attributes in zip(keys, values, batch.attributes, strict=True)
    ]


def _join(run: Import, ids: set[int]) -> int:
    """Make them members of the import; how many were not."""
    if not ids:
        return 0
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            statement = f"INSERT INTO {_TABLE} (run_id, profile_id) SELECT %s, unnest(%s::bigint[])"  # noqa: S608  # own names only
            given: Any = sorted(ids)
        else:
            statement = f"INSERT INTO {_TABLE} (run_id, profile_id) SELECT %s, value FROM json_each(%s) WHERE 1"  # noqa: S608  # own names only
            given = orjson.dumps(sorted(ids)).decode()
        cursor.execute(f"{statement} ON CONFLICT DO NOTHING", [run.pk, given])
        return int(cursor.rowcount)


def note(run: Import, rejects: Sequence[Reject], *, position: int) -> None:
    """Keep what a chunk rejected, beside the counts that tell of it. Without cells where only hashes may be stored."""
    if not rejects:
        return
    is_bare = run.app_group.hash_only
    kept = [
        [*reject[:3], [] if is_bare else list(map(_storable, reject.cells)), reject.is_kept]
        for reject in rejects
    ]
    lines = b"\n".join(map(orjson.dumps, kept))
    RejectPart.objects.create(
        run=run, position=position, n=len(rejects), body=zlib.compress(lines, 1)
    )


def _storable(cell: str) -> str:
    """A cell as text that JSON and UTF-8 can hold."""
    return cell.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def rejects(run: Import) -> Iterator[Reject]:
    """What was rejected, in the order of the file; a chunk at a time in memory."""
    for body in (
        RejectPart.objects.filter(run=run)
        .order_by("position")
        .values_list("body", flat=True)
        .iterator(1)
    ):
        for line in zlib.decompress(body).split(b"\n"):
            yield Reject(*orjson.loads(line))
