"""The segments that the settings of a step name, which keeps them from being deleted."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audiencesync.people.models import Segment
from audiencesync.people.segments import edit
from canvases.models import Step, StepSegment
from canvases.steps.conditions_form import filters_in, segments_in


def store(step: Step) -> None:
    """Store which segments a step names now, in the transaction that saves the step."""
    api_ids = segments_in(step.settings)
    segments = Segment.objects.filter(app_group=step.canvas.app_group_id, api_id__in=api_ids)
    step.segment_uses.exclude(segment__in=segments).delete()
    StepSegment.objects.bulk_create(
        [StepSegment(step=step, segment=segment) for segment in segments.order_by("pk")],
        ignore_conflicts=True,
    )


def compared_fields(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    """Return the fields in the old and the new conditions, for the activity log.

    The values are left out, as they may be data of customers.
    """
    old_fields, new_fields = (
        ", ".join(name for raw in filters_in(settings) for name in edit.fields_of(raw))
        for settings in (before, after)
    )
    return old_fields, _(
        "the same fields, other values"
    ) if old_fields == new_fields and before != after else new_fields
