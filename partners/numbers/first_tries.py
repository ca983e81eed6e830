"""How many of the people who were first sent today (UTC) were accepted in that first request.

A `Push` is one call (a request to the partner); a `PushShare` is its part with people of one Sync.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet, Sum

from audiencesync.core.charts.bins import utc_midnight
from partners.models import Push, PushShare


def of_today(*, now: datetime) -> QuerySet[PushShare]:
    """Return today's calls with people sent for the first time. Runs one query for the first id."""
    calls = Push.objects.filter(at__gte=utc_midnight(now)).order_by("at")
    first_call = calls.values_list("pk").first()
    tried_first = PushShare.objects.filter(first_people__gt=0).order_by()
    return tried_first.filter(push__gte=first_call[0]) if first_call else tried_first.none()


def sums(calls: QuerySet[PushShare], by: str) -> dict[int, tuple[int, int]]:
    """Return value of the field ``by`` -> (people sent for the first time, accepted of these)."""
    rows = calls.values_list(by).annotate(
        n_tried=Sum("first_people"), n_accepted=Sum("first_accepted")
    )
    return {pk: (n_tried, n_accepted) for pk, n_tried, n_accepted in rows}
