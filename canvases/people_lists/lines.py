"""The rows of a list: each delivery, visit or profile with its times, reason and request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from audiencesync.core import lists
from audiencesync.core.csv_files import Cell
from audiencesync.people.models import Profile
from audiencesync.people.views import csv_export
from canvases import reasons
from canvases.entry_card import headcounts
from canvases.models import Canvas, LeftBy, Step, Visit
from canvases.people_lists.number import Number
from canvases.reasons import Why
from partners.base import Partner
from partners.models import Delivery, Outcome

CHUNK = 2000
HEADS = (  # names of the columns after those of the profile
    "outcome",
    "reason",
    "reason_code",
    "entered_canvas_at",
    "since",
    "code",
    "request_id",
)
Row = Delivery | Visit | Profile


@dataclass(frozen=True, slots=True)
class Line:
    """A person of a list. ``profile``: None if the person was erased."""

    profile: Profile | None
    entered_at: datetime | None = None  # when the person entered the canvas
    at: datetime | None = None  # when the number counted the person, as far as it is known
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

    @property
    def outcome_label(self) -> str:
        """Return the outcome of the delivery in words; empty without one."""
        return str(Outcome(self.outcome).label) if self.outcome else ""


def of(canvas: Canvas, step: Step | None, rows: Sequence[Row]) -> list[Line]:
    """Return a line per row. A constant number of queries."""
    deliveries = [row for row in rows if isinstance(row, Delivery)]
    visit_of = _visits_of(step, deliveries)
    visits = _visits_by_id(canvas, visit_of.values())
    people = _profiles(canvas, rows)
    partners = reasons.partners_of({row.sync_id for row in deliveries})
    lines = []
    for row in rows:
        if isinstance(row, Profile):
            lines.append(_of_profile(row))
            continue
        person = people.get(row.profile_id or 0)
        if isinstance(row, Visit):
            lines.append(_of_visit(row, person))
        else:
            visit = visits.get(visit_of.get(row.pk, 0))
            lines.append(_of_delivery(row, person, visit, partners[row.sync_id]))
    return lines


def of_members(rows: Sequence[Row]) -> list[Line]:
    """Return a line per member of an audience, with the annotated time of the last addition."""
    people = [row for row in rows if isinstance(row, Profile)]
    return [Line(row, at=getattr(row, "added_at", None)) for row in people]


def _of_profile(row: Profile) -> Line:
    code = getattr(row, "why", "")
    return Line(row, reason=str(headcounts.REASONS.get(code, "")), reason_code=code)


def _of_visit(row: Visit, person: Profile | None) -> Line:
    at = row.left_at or row.arrived_at or row.entered_at
    reason = str(LeftBy(row.left_by).label) if row.left_by else ""
    return Line(person, row.entered_at, at, reason=reason, reason_code=row.left_by or "")


def _of_delivery(
    row: Delivery, person: Profile | None, visit: Visit | None, partner: Partner
) -> Line:
    why, batch = Why(row.status, row.why, 1, partner), row.batch
    return Line(
        person,
        entered_at=visit.entered_at if visit else None,
        at=(batch.settled_at or batch.created_at) if batch else None,
        delivery=row,
        outcome=row.status.value,
        reason="" if row.status == Outcome.SYNCED else why.text,
        reason_code=row.why,
    )


def _profiles(canvas: Canvas, rows: Iterable[Row]) -> dict[int, Profile]:
    profile_ids = (row.profile_id for row in rows if not isinstance(row, Profile))
    ids = {pk for pk in profile_ids if pk}
    profiles = Profile.objects.filter(app_group=canvas.app_group_id, pk__in=ids)
    return {profile.pk: profile for profile in profiles}


def _visits_by_id(canvas: Canvas, ids: Iterable[int]) -> dict[int, Visit]:
    return {visit.pk: visit for visit in Visit.objects.filter(canvas=canvas.pk, pk__in=set(ids))}


def _visits_of(step: Step | None, rows: Sequence[Delivery]) -> dict[int, int]:
    """Return delivery -> visit; of a removal, the visit of the add that it reverts.

    The entry key of a delivery is the id of its visit. If it removes a person who left, the entry
    key is the id of the delivery that it reverts. ``step``: None for a number of a canvas, which
    counts no such removals.
    """
    key_of = {row.pk: row.entry_key for row in rows}
    if not rows or step is None:
        return key_of
    if set(reasons.syncs_of(step, is_removal=False)).issuperset(row.sync_id for row in rows):
        return key_of
    entry_key_of = dict(
        Delivery.objects.filter(sync__steps=step, pk__in=key_of.values()).values_list(
            "pk", "entry_key"
        )
    )
    return {pk: entry_key_of[key] for pk, key in key_of.items() if key in entry_key_of}


def csv_rows(
    number: Number, lines_of: Callable[[Sequence[Row]], list[Line]]
) -> Iterator[list[Cell]]:
    """Yield the names of the columns, then a row per person; ``lines_of`` makes the lines."""
    yield [csv_export.ID_COLUMN, *csv_export.COLUMNS, *HEADS]
    for rows in lists.in_chunks(number.parts, CHUNK):
        for line in lines_of(rows):
            person = line.profile
            fields = (
                [person.braze_id, *csv_export.fields(person)]
                if person
                else [""] * (1 + len(csv_export.COLUMNS))
            )
            times = [at.isoformat() if at else "" for at in (line.entered_at, line.at)]
            reason = [line.outcome, line.reason, line.reason_code]
            yield [*fields, *reason, *times, line.code, line.request_id]
