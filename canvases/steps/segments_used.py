"""The segments that the settings of a step name: they cannot be deleted meanwhile."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audiencesync.people.models import Segment
from audiencesync.people.segments import edit
from canvases.models import Step, StepSegment
from canvases.steps.conditions_form import filters_in, segments_in


def keep(step: Step) -> None:
    """Store which segments a step names now, in the transaction that saves the step."""
    named = segments_in(step.settings)
    found = Segment.objects.filter(app_group=step.canvas.app_group_id, api_id__in=named)
    step.segment_uses.exclude(segment__in=found).delete()
    StepSegment.objects.bulk_create(
        [StepSegment(step=step, segment=one) for one in found.order_by("pk")],
        ignore_conflicts=True,
    )


def compared(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    """Return the fields in the old and the new conditions, for the activity log.

    Not the values: they may be data of customers.
    """
    old, new = (
        ", ".join(name for raw in filters_in(one) for name in edit.fields_of(raw))
        for one in (before, after)
    )
    return old, _("the same fields, other values") if old == new and before != after else new
