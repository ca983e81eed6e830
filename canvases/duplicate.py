"""Duplicate a canvas: a new draft with the same entry and flow, and without people."""

from __future__ import annotations

from collections.abc import Mapping
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
        _copy_steps(source, made, now=now)
        Activity.log(
            made.app_group, by, Activity.Verb.CREATED, made.name, kind=Activity.Kind.CANVAS
        )
    return made


def _copy_steps(source: Canvas, made: Canvas, *, now: datetime) -> None:
    """Copy the flow without its removed steps, by as many queries for 200 steps as for a few."""
    steps = tree.in_order(source.steps.filter(removed_at=None))
    # Out of the flow until they are linked: a place holds one step (a constraint).
    copies = Step.objects.bulk_create(
        [
            Step(canvas=made, kind=step.kind, settings=step.settings, removed_at=now)
            for step in steps
        ]
    )
    copy_of = {step.pk: copy for step, copy in zip(steps, copies, strict=True)}
    for step in steps:
        copy = copy_of[step.pk]
        copy.parent = copy_of[step.parent_id] if step.parent_id else None
        copy.branch, copy.removed_at = step.branch, None
    Step.objects.bulk_update(copies, ["parent", "branch", "removed_at"])
    _copy_segment_uses(copy_of)
    for key, kind in KINDS.items():
        kind.on_copied([copy for copy in copies if copy.kind == key])


def _copy_segment_uses(copy_of: Mapping[int, Step]) -> None:
    """Keep the segments that the settings name from being deleted, also for the copies."""
    used = StepSegment.objects.filter(step__in=copy_of).order_by("pk")
    StepSegment.objects.bulk_create(
        [
            StepSegment(step=copy_of[step], segment_id=segment)
            for step, segment in used.values_list("step", "segment")
        ]
    )
