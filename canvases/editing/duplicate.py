"""Duplicate a canvas, or a step with its branches, without people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from audiencesync.groups.models import Activity, User
from canvases import tree
from canvases.models import Canvas, ExitSegment, Step, StepSegment
from canvases.steps import KINDS

COPIED = (
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
OF_STEP = ("kind", "name", "description", "settings")


def duplicate(canvas: Canvas, *, by: User, now: datetime) -> Canvas:
    """Create a draft like ``canvas``. Its steps get Syncs of their own, as if they were saved."""
    name = gettext("Copy of %(name)s") % {"name": canvas.name}
    with transaction.atomic():
        # Locked: an edit meanwhile would be copied by half.
        source = Canvas.objects.select_for_update(of=("self",)).get(pk=canvas.pk)
        made = Canvas.objects.create(
            app_group=canvas.app_group,
            name=name[: Canvas._meta.get_field("name").max_length],
            created_by=by,
            created_at=now,
            edited_by=by,
            edited_at=now,
            **{column: getattr(source, column) for column in COPIED},
        )
        ExitSegment.objects.bulk_create(
            [
                ExitSegment(canvas=made, segment_id=pk)
                for pk in source.exit_segments.order_by("pk").values_list("segment", flat=True)
            ]
        )
        copy_steps(tree.in_order(source.steps.filter(removed_at=None)), made, now=now)
        Activity.log(
            made.app_group, by, Activity.Verb.CREATED, made.name, kind=Activity.Kind.CANVAS
        )
    return made


def copy_steps(
    steps: Sequence[Step], made: Canvas, *, apart: Step | None = None, now: datetime
) -> Mapping[int, Step]:
    """Copy steps into a canvas, by as many queries for 200 as for a few; return the copies by id.

    ``apart``: the step whose copy stays out of the flow until it is linked.
    """
    # Out of the flow until they are linked: a place holds one step (a constraint).
    copies = Step.objects.bulk_create(
        [
            Step(canvas=made, removed_at=now, **{name: getattr(step, name) for name in OF_STEP})
            for step in steps
        ]
    )
    copy_of = {step.pk: copy for step, copy in zip(steps, copies, strict=True)}
    for step in steps:
        copy = copy_of[step.pk]
        if step != apart:
            copy.parent = copy_of[step.parent_id] if step.parent_id else None
            copy.branch, copy.removed_at = step.branch, None
    Step.objects.bulk_update(copies, ["parent", "branch", "removed_at"])
    _copy_segment_uses(copy_of)
    for key, kind in KINDS.items():
        kind.on_copied([copy for copy in copies if copy.kind == key])
    return copy_of


def _copy_segment_uses(copy_of: Mapping[int, Step]) -> None:
    """Keep the segments that the settings name from being deleted, also for the copies."""
    used = StepSegment.objects.filter(step__in=copy_of).order_by("pk")
    StepSegment.objects.bulk_create(
        [
            StepSegment(step=copy_of[step], segment_id=segment)
            for step, segment in used.values_list("step", "segment")
        ]
    )
