"""How long the numbers by hour are kept (KEEP_STEP_HOURS_DAYS), in words."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext

from audiencesync.core import deadlines
from audiencesync.groups import retention


def are_older_deleted(begun: datetime, *, now: datetime) -> bool:
    """Return whether some numbers by hour since ``begun`` are deleted."""
    kept_since = retention.cutoff("step_hours", now=now)
    return kept_since is not None and begun < kept_since


def deletion_note(begun: datetime, *, now: datetime) -> str:
    """Return a note that some numbers by hour since ``begun`` are deleted; empty if none are."""
    kept_since = retention.cutoff("step_hours", now=now)
    if kept_since is None or not are_older_deleted(begun, now=now):
        return ""
    time = deadlines.in_words((now - kept_since).total_seconds())
    text = gettext(
        "Numbers by the hour are kept for %(time)s: older people count only in the totals."
    )
    return text % {"time": time}
