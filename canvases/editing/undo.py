"""Undo the last removal of a component: the steps come back at their places."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import User
from audiencesync.people.models import Segment
from canvases.editing import edit, pending, removal
from canvases.models import Canvas, Step
from canvases.steps import KINDS
from canvases.steps.base import Text
from canvases.steps.conditions_form import segments_in
from partners import sync
from partners.models import Sync

PEOPLE_MOVED = _("People who waited there were moved, so this removal cannot be undone.")
DISCARDED = _("Pending people were discarded, so this removal cannot be undone.")
CHANGED = _("The flow was changed since, so the removal cannot be undone.")
SEGMENT_GONE = _("A segment it named was deleted, so the removal cannot be undone.")


@dataclass(frozen=True, slots=True)
class StepPlace:
    """Where a step stands in the flow."""

    step: int
    parent: int | None
    branch: int


@dataclass(frozen=True, slots=True)
class RemovedStep:
    """The columns of a step that was removed; it may have been deleted."""

    pk: int
    api_id: str
    kind: str
    name: str
    description: str
    settings: dict[str, Any]
    version: int


@dataclass(frozen=True, slots=True)
class RemovalNote:
    """The steps that a removal took away, the step itself first; the flow before and after it."""

    gone: list[RemovedStep]
    before: list[StepPlace]
    after: list[StepPlace]

    def dump(self) -> str:
        """Return the note as text."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> RemovalNote | None:
        """Return the note of a dump; None if it does not fit this release."""
        try:
            raw = json.loads(text)
            before, after = (
                [StepPlace(**row) for row in raw[name]] for name in ("before", "after")
            )
            gone = [RemovedStep(**row) for row in raw["gone"]]
        except (ValueError, KeyError, TypeError):
            return None
        return cls(gone, before, after) if all(row.kind in KINDS for row in gone) else None


def remove(
    step: Step,
    *,
    keep: int | None = None,
    people: str = "",
    choice: str = "",
    by: User,
    now: datetime,
) -> tuple[pending.Decision, RemovalNote | None, Text]:
    """Remove a step as `edit.remove` does; return also the note to undo it, or None and why not."""
    with transaction.atomic():
        # Lock the canvas, so that the flow does not change between the note and the removal.
        Canvas.objects.select_for_update(of=("self",)).get(pk=step.canvas_id)
        steps = list(step.canvas.steps.filter(removed_at=None))
        stored = [other for other in steps if other == step]
        gone = removal.plan(steps, stored[0], keep or 0).gone if stored else []
        n_waiting = removal.n_waiting(gone)
        decision = edit.remove(step, keep=keep, people=people, choice=choice, by=by, now=now)
        after = places(step.canvas.steps.filter(removed_at=None))
    if n_waiting:
        return decision, None, PEOPLE_MOVED
    if decision.n and decision.choice == pending.Choice.DISCARD:
        return decision, None, DISCARDED
    return (
        decision,
        RemovalNote([_columns(gone_step) for gone_step in gone], places(steps), after),
        "",
    )


def _columns(step: Step) -> RemovedStep:
    return RemovedStep(
        step.pk,
        str(step.api_id),
        step.kind,
        step.name,
        step.description,
        step.settings,
        step.version,
    )


def places(steps: Sequence[Step] | Any) -> list[StepPlace]:
    """Return where the steps of a flow stand."""
    return sorted(
        (StepPlace(step.pk, step.parent_id, step.branch) for step in steps),
        key=lambda place: place.step,
    )


def restore(canvas: Canvas, note: RemovalNote, *, by: User, now: datetime) -> Step:
    """Put the removed steps back; return the first. Raise NotAllowed if that is not possible.

    A step that was kept for its numbers goes on with them; one that was deleted is made again,
    with the Sync that its settings describe.
    """
    with edit.editing(canvas, by=by, now=now, structure=True):
        if places(canvas.steps.filter(removed_at=None)) != note.after:
            raise edit.NotAllowed(CHANGED)
        _check_segments(canvas, note)
        kept = set(canvas.steps.exclude(removed_at=None).values_list("pk", flat=True))
        deleted = [gone_step for gone_step in note.gone if gone_step.pk not in kept]
        # After a move to another database, the id of a deleted step may be given to a new one.
        if Step.objects.filter(pk__in=[gone_step.pk for gone_step in deleted]).exists():
            raise edit.NotAllowed(CHANGED)
        Step.objects.bulk_create(
            Step(canvas=canvas, removed_at=now, **asdict(gone_step)) for gone_step in deleted
        )
        _put_back(canvas, note, now=now)
        restored = [
            edit.reread_step(Step(pk=gone_step.pk, canvas=canvas)) for gone_step in note.gone
        ]
        for step in restored:
            KINDS[step.kind].on_saved(step)
            edit.log_added(step, by)
        sync.set_claims(Sync.objects.filter(steps__in=restored), claims=True)
    return restored[0]


def _check_segments(canvas: Canvas, note: RemovalNote) -> None:
    api_ids = set[str]().union(*(segments_in(gone_step.settings) for gone_step in note.gone))
    segments = Segment.objects.filter(app_group=canvas.app_group_id, api_id__in=api_ids)
    if segments.count() < len(api_ids):
        raise edit.NotAllowed(SEGMENT_GONE)


def _put_back(canvas: Canvas, note: RemovalNote, *, now: datetime) -> None:
    """Give all steps their former places. Raise NotAllowed if one of the places is gone.

    All steps leave the flow first, since a constraint allows one step at a place.
    """
    canvas.steps.filter(removed_at=None).update(removed_at=now)
    rows = [
        Step(pk=step, parent_id=parent, branch=branch, removed_at=None)
        for step, parent, branch in map(astuple, note.before)
    ]
    Step.objects.bulk_update(rows, ["parent", "branch", "removed_at"])
    steps = {step.pk: step for step in canvas.steps.filter(removed_at=None)}
    for step in steps.values():
        # A branch may have been taken out of the settings of a split since.
        if step.parent_id and step.branch not in edit.places_after(steps[step.parent_id]):
            raise edit.NotAllowed(CHANGED)
    edit.check_exits(canvas)
