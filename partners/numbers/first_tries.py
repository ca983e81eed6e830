"""Of the people who were in a request for the first time today (UTC), how many were accepted."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet, Sum

from audiencesync.core.charts.bins import utc_midnight
from partners.models import Push, PushShare


def of_today(*, now: datetime) -> QuerySet[PushShare]:
    """Return the calls of today that carried such people. One query, for the first of them."""
    today = Push.objects.filter(at__gte=utc_midnight(now)).order_by("at")
    first = today.values_list("pk").first()
    found = PushShare.objects.filter(first_people__gt=0).order_by()
    return found.filter(push__gte=first[0]) if first else found.none()


def sums(calls: QuerySet[PushShare], by: str) -> dict[int, tuple[int, int]]:
    """Return id at the path ``by`` -> people tried first, and how many were accepted."""
    rows = calls.values_list(by).annotate(n=Sum("first_people"), ok=Sum("first_accepted"))
    return {pk: (n, ok) for pk, n, ok in rows}
