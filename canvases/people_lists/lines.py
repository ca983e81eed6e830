"""The rows of a list: each delivery or visit with its profile, times, reason and request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from audiencesync.core import lists
from audiencesync.core.csv_files import Cell
from audiencesync.people.models import Profile
from audiencesync.people.views import csv_export
from canvases import reasons
from canvases.models import Canvas, Step, Visit
from canvases.people_lists.numbers import Number
from canvases.reasons import Why
from partners.models import Delivery, Outcome

CHUNK = 2000
HEADS = (
    "outcome",
    "reason",
    "reason_code",
    "entered_canvas_at",
    "since",
    "code",
    "request_id",
)


@dataclass(frozen=True, slots=True)
class Line:
    """A person of a list (profile None: erased)."""

    profile: Profile | None
    entered_at: datetime | None  # when the person entered the canvas
    at: datetime | None  # when the number counted the person, as far as it is known
    delivery: Delivery | None = None
    outcome: str = ""
    reason: str = ""  # in words
    reason_code: str = ""

    @property
    def code(self) -> str:
        """Return the last code of the partner for the request; empty without one."""
        batch = self.delivery.batch if self.delivery else None
        return batch.last_code if batch else ""

    @property
    def request_id(self) -> str:
        """Return the id of the request; empty without one."""
        batch = self.delivery.batch if self.delivery else None
        return batch.last_request_id if batch else ""


def of_step(step: Step, rows: Sequence[Delivery | Visit]) -> list[Line]:
    """Return the lines of deliveries or visits. A constant number of queries."""
    deliveries = [row for row in rows if isinstance(row, Delivery)]
    visits = {row.pk: row for row in rows if isinstance(row, Visit)}
    visit_of = _visits_of(step, deliveries) if deliveries else {}
    visits |= _by_id(step.canvas, visit_of.values())
    people = _profiles(step.canvas, rows)
    partner = reasons.partner_of(step)
    found = []
    for row in rows:
        person = people.get(row.profile_id or 0)
        if isinstance(row, Visit):
            found.append(Line(person, row.entered_at, row.arrived_at or row.entered_at))
            continue
        visit = visits.get(visit_of.get(row.pk, 0))
        why, batch = Why(row.status, row.why, 1, partner), row.batch
        is_plain = row.status == Outcome.SYNCED
        found.append(
            Line(
                person,
                visit.entered_at if visit else None,
                (batch.settled_at or batch.created_at) if batch else None,
                row,
                row.status.value,
                "" if is_plain else why.text,
                row.why,
            )
        )
    return found


def _profiles(canvas: Canvas, rows: Iterable[Delivery | Visit]) -> dict[int, Profile]:
    ids = {row.profile_id for row in rows if row.profile_id is not None}
    found = Profile.objects.filter(app_group=canvas.app_group_id, pk__in=ids)
    return {one.pk: one for one in found}


def _by_id(canvas: Canvas, ids: Iterable[int]) -> dict[int, Visit]:
    return {one.pk: one for one in Visit.objects.filter(canvas=canvas.pk, pk__in=set(ids))}


def _visits_of(step: Step, rows: Sequence[Delivery]) -> dict[int, int]:
    """Return delivery -> visit; of a removal, the visit of the add that it reverts."""
    own = {row.pk: row.entry_key for row in rows}
    if set(reasons.syncs_of(step, is_removal=False)).issuperset(row.sync_id for row in rows):
        return own
    added = dict(
        Delivery.objects.filter(sync__steps=step, pk__in=own.values()).values_list(
            "pk", "entry_key"
        )
    )
    return {pk: added[key] for pk, key in own.items() if key in added}


def csv_rows(step: Step, number: Number) -> Iterator[list[Cell]]:
    """Yield the names of the columns, then a row per person."""
    yield [csv_export.ID, *csv_export.COLUMNS, *HEADS]
    for rows in lists.in_chunks(number.parts, CHUNK):
        for line in of_step(step, rows):
            person = line.profile
            fields = (
                [f"{person.pk:024x}", *csv_export.fields(person)]
                if person
                else [""] * (1 + len(csv_export.COLUMNS))
            )
            times = [at.isoformat() if at else "" for at in (line.entered_at, line.at)]
            yield [
                *fields,
                line.outcome,
                line.reason,
                line.reason_code,
                *times,
                line.code,
                line.request_id,
            ]
