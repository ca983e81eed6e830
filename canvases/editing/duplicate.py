"""Duplicate a canvas without its people, and copy steps within a canvas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from audiencesync.groups.models import Activity, User
from canvases import tree
from canvases.models import Canvas, ExitSegment, Step, StepSegment
from canvases.steps import KINDS

CANVAS_COLUMNS = (
    "description",
    "segment_id",
    "entry_by",
    "entry",
    "reentry",
    "reentry_days",
    "cap_total",
    "cap_per_day",
    "exits",
)
STEP_COLUMNS = ("kind", "name", "description", "settings")


def duplicate(canvas: Canvas, *, by: User, now: datetime) -> Canvas:
    """Create a draft like ``canvas``.

    Its steps get Syncs of their own (`StepKind.on_copied`), like steps that are saved.
    """
    name = gettext("Copy of %(name)s") % {"name": canvas.name}
    with transaction.atomic():
        # Lock the canvas: otherwise only a part of a simultaneous edit might be copied.
        source = Canvas.objects.select_for_update(of=("self",)).get(pk=canvas.pk)
        draft = Canvas.objects.create(
            app_group=canvas.app_group,
            name=name[: Canvas._meta.get_field("name").max_length],
            created_by=by,
            created_at=now,
            edited_by=by,
            edited_at=now,
            **{column: getattr(source, column) for column in CANVAS_COLUMNS},
        )
        ExitSegment.objects.bulk_create(
            [
                ExitSegment(canvas=draft, segment_id=pk)
                for pk in source.exit_segments.order_by("pk").values_list("segment", flat=True)
            ]
        )
        copy_steps(tree.in_order(source.steps.filter(removed_at=None)), draft, now=now)
        Activity.log(
            draft.app_group, by, Activity.Verb.CREATED, draft.name, kind=Activity.Kind.CANVAS
        )
    return draft


def copy_steps(
    steps: Sequence[Step], target: Canvas, *, unlinked: Step | None = None, now: datetime
) -> Mapping[int, Step]:
    """Copy steps into the canvas ``target``; return the copies by the ids of their originals.

    ``unlinked``: the original whose copy the caller puts into the flow. The number of queries is
    constant.
    """
    # Insert the copies as removed steps. A constraint allows only one step that is not removed at
    # a place (canvas, parent, branch), and the ids of the parents are known only after the insert.
    copies = Step.objects.bulk_create(
        [
            Step(
                canvas=target,
                removed_at=now,
                **{name: getattr(step, name) for name in STEP_COLUMNS},
            )
            for step in steps
        ]
    )
    copy_of = {step.pk: copy for step, copy in zip(steps, copies, strict=True)}
    for step in steps:
        copy = copy_of[step.pk]
        if step != unlinked:
            copy.parent = copy_of[step.parent_id] if step.parent_id else None
            copy.branch, copy.removed_at = step.branch, None
    Step.objects.bulk_update(copies, ["parent", "branch", "removed_at"])
    _copy_segment_uses(copy_of)
    for key, kind in KINDS.items():
        kind.on_copied([copy for copy in copies if copy.kind == key])
    return copy_of


def _copy_segment_uses(copy_of: Mapping[int, Step]) -> None:
    """Copy the StepSegment rows, which keep segments that settings name from being deleted."""
    uses = StepSegment.objects.filter(step__in=copy_of).order_by("pk")
    StepSegment.objects.bulk_create(
        [
            StepSegment(step=copy_of[step], segment_id=segment)
            for step, segment in uses.values_list("step", "segment")
        ]
    )
