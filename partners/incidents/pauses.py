"""Pauses of incidents: a trouble that comes back soon continues the same incident.

A number near a threshold may pass it again and again. Each time, the row of the incident is opened
again, so that its messages are not repeated. Its end is notified only once it can no longer come
back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q

from partners.incidents import codes
from partners.incidents.present import Trouble
from partners.models import Incident

MAX_PAUSES = {
    codes.BACKLOG: timedelta(minutes=15),
    codes.ERROR_SHARE: timedelta(hours=1),
    codes.NEARLY_FULL: timedelta(hours=1),
    codes.TOO_SMALL: timedelta(hours=48),  # partners count an audience again once a day or two
}
"""How long after its end an incident may be reopened; those with other codes are never reopened."""
CLOCK_SKEW = timedelta(minutes=2)
"""An end is final only this long after the longest pause, as the clocks of machines differ."""


def final_q(*, now: datetime) -> Q:
    """Match ended incidents that can no longer be reopened."""
    query = ~Q(code__in=MAX_PAUSES)
    for code, max_pause in MAX_PAUSES.items():
        query |= Q(code=code, ended_at__lte=now - max_pause - CLOCK_SKEW)
    return query


def resume(troubles: Iterable[Trouble], *, app_group: int, now: datetime) -> list[Trouble]:
    """Reopen the rows of troubles that came back; return the other troubles."""
    troubles = list(troubles)
    if not any(trouble.code in MAX_PAUSES for trouble in troubles):
        return troubles
    paused_ids = _paused_ids(app_group, now=now)
    resumed_ids = [paused_ids[trouble.key] for trouble in troubles if trouble.key in paused_ids]
    Incident.objects.filter(pk__in=resumed_ids).update(ended_at=None)
    return [trouble for trouble in troubles if trouble.key not in paused_ids]


def _paused_ids(app_group: int, *, now: datetime) -> dict[tuple[str, int, str], int]:
    """Return place and code -> the id of the newest ended row that may come back; one query."""
    recent = Q(pk__in=[])
    for code, max_pause in MAX_PAUSES.items():
        recent |= Q(code=code, ended_at__gt=now - max_pause)
    rows = Incident.objects.filter(recent, app_group=app_group).order_by("ended_at", "pk")
    return {(row.place, row.place_id, row.code): row.pk for row in rows}
