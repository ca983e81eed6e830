"""Delete the old numbers by hour of steps; those on cards are in their tallies and stay."""

from __future__ import annotations

from functools import partial

from django.utils import timezone

from audiencesync.groups import retention
from canvases.models import StepHour


def beat() -> None:
    """Delete a bounded part of what is older than KEEP_STEP_HOURS_DAYS."""
    now = timezone.now()
    if before := retention.cutoff("step_hours", now=now):
        drop = partial(retention.delete_rows, StepHour.objects.filter(hour__lt=before))
        retention.walk_in_chunks("step_hours", StepHour.objects.all(), drop, now=now)
