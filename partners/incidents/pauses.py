"""Incidents of thresholds, which come and go with each look: one that comes back soon is the same.

Its row is opened again, so that its messages are not repeated; the end is notified only once it
can no longer come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q

from partners.incidents import codes
from partners.incidents.present import Trouble
from partners.models import Incident

LONGEST = {
    codes.BACKLOG: timedelta(minutes=15),
    codes.ERROR_SHARE: timedelta(hours=1),
    codes.NEARLY_FULL: timedelta(hours=1),
    codes.TOO_SMALL: timedelta(hours=48),  # partners count an audience again once a day or two
}
"""How long an incident may be over and come back as the same."""
MARGIN = timedelta(minutes=2)
"""Clocks of machines differ: no row is opened again whose end is being notified."""


def is_final(*, now: datetime) -> Q:
    """Match ended incidents that do not come back."""
    found = ~Q(code__in=LONGEST)
    for code, longest in LONGEST.items():
        found |= Q(code=code, ended_at__lte=now - longest - MARGIN)
    return found


def resume(troubles: Iterable[Trouble], *, app_group: int, now: datetime) -> list[Trouble]:
    """Open the rows again of troubles that came back; return the other troubles."""
    troubles = list(troubles)
    if not any(one.code in LONGEST for one in troubles):
        return troubles
    paused = _paused(app_group, now=now)
    returned = [paused[one.key] for one in troubles if one.key in paused]
    Incident.objects.filter(pk__in=returned).update(ended_at=None)
    return [one for one in troubles if one.key not in paused]


def _paused(app_group: int, *, now: datetime) -> dict[tuple[str, int, str], int]:
    """Return place and code -> the newest row that may come back; one query."""
    recent = Q(pk__in=[])
    for code, longest in LONGEST.items():
        recent |= Q(code=code, ended_at__gt=now - longest)
    rows = Incident.objects.filter(recent, app_group=app_group).order_by("ended_at", "pk")
    return {(row.place, row.place_id, row.code): row.pk for row in rows}
