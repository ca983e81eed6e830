"""Writes the rows of a chunk: people by ``upserting``, who they are as members of the import, what was rejected."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import connection

from audiencesync.groups.models import AppGroup
from audiencesync.people.imports.mapping import Batch, Plan
from audiencesync.people.imports.models import Import, ImportMember, RejectPart
from audiencesync.people.imports.reading import Reject, Stretch
from audiencesync.people.upserting import Change, Problem, upsert

_TABLE = ImportMember._meta.db_table
_REASONS: dict[Problem, str] = {"invalid": "key_invalid", "gone": "gone", "too_many": "attributes"}


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows created somebody and how many updated somebody; how many people are new among its members."""

    created: int
    updated: int
    people: int
    rejects: list[Reject]


def write(run: Import, app_group: AppGroup, batch: Batch, stretch: Stretch, *, plan: Plan, now: datetime) -> Written:
    """Apply the rows in their order. Rows that ``upserting`` refuses come back as rejects."""
    done = upsert(app_group, list(_changes(batch, plan)), now=now)
    rejects = []
    for index, problem in sorted(done.problems.items()):
        place = batch.places[index]
        reason = _REASONS.get(problem, "stored")
        rejects.append(Reject(stretch.lines[place], reason, "", stretch.rows[place]))
    people = [pk for pk in done.profile_ids if pk is not None]
    return Written(done.created, len(people) - done.created, _join(run, set(people)), rejects)


def _changes(batch: Batch, plan: Plan) -> Iterator[Change]:
    """One per row: found by the key, all that is not blank is set."""
    keys = batch.fields[plan.key]
    names = [name for name in batch.fields if name not in ("external_id", "alias")]
    columns = [batch.fields[name] for name in names]
    values: Iterable[tuple[Any, ...]] = zip(*columns, strict=True) if columns else (() for _key in keys)
    for key, row, attributes in zip(keys, values, batch.attributes, strict=True):
        fields = {name: value for name, value in zip(names, row, strict=True) if value is not None}
        yield Change(
            external_id=key if plan.key == "external_id" else None,
            alias=(plan.alias_label, key) if plan.key == "alias" else None,
            email=key if plan.key == "email" else None,
            phone=key if plan.key == "phone" else None,
            fields=fields,
            attributes=attributes,
        )


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
    """Keep what a chunk rejected, beside the counts that tell of it."""
    if not rejects:
        return
    lines = b"\n".join(orjson.dumps([*reject[:3], [_storable(cell) for cell in reject.cells]]) for reject in rejects)
    RejectPart.objects.create(run=run, position=position, n=len(rejects), body=zlib.compress(lines, 1))


def _storable(cell: str) -> str:
    """A cell as text that JSON and UTF-8 can hold."""
    return cell.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def rejects(run: Import) -> Iterator[Reject]:
    """What was rejected, in the order of the file; a chunk at a time in memory."""
    for body in RejectPart.objects.filter(run=run).order_by("position").values_list("body", flat=True).iterator(1):
        for line in zlib.decompress(body).split(b"\n"):
            yield Reject(*orjson.loads(line))
