"""How many of the people who were in a request for the first time today (UTC) were accepted.

A `Push` is one call (a request to the partner); a `PushShare` is its part with people of one Sync.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet, Sum

from audiencesync.core.charts.bins import utc_midnight
from partners.models import Push, PushShare


def of_today(*, now: datetime) -> QuerySet[PushShare]:
    """Return today's calls with people tried for the first time. Reads the id of the first call."""
    calls = Push.objects.filter(at__gte=utc_midnight(now)).order_by("at")
    first_call = calls.values_list("pk").first()
    tried_first = PushShare.objects.filter(first_people__gt=0).order_by()
    return tried_first.filter(push__gte=first_call[0]) if first_call else tried_first.none()


def sums(calls: QuerySet[PushShare], by: str) -> dict[int, tuple[int, int]]:
    """Return value of the field ``by`` -> people tried for the first time, accepted ones."""
    rows = calls.values_list(by).annotate(
        n_tried=Sum("first_people"), n_accepted=Sum("first_accepted")
    )
    return {pk: (n_tried, n_accepted) for pk, n_tried, n_accepted in rows}
