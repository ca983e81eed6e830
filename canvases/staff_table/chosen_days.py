"""What changed on the days of the filter, and today: from what tallies said when days began."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet, Value

from canvases.analytics import Numbers
from canvases.staff_table.query import TableQuery
from partners.models import Sync, TallyDay
from partners.models.tallies import COLUMNS, counts_from
from partners.numbers import days


def synced_today(query: TableQuery, *, now: datetime) -> dict[int, int]:
    """Return step -> how many people were synced today (UTC). One query."""
    rows = _begun(query, now.astimezone(UTC).date()).values_list("sync__steps")
    return dict(rows.annotate(n=days.CHANGES["sum_synced"]))


def numbers(query: TableQuery) -> dict[int, Numbers]:
    """Return step -> its numbers of the chosen days: since the first, without after the last.

    One query for both: what changes meanwhile is in both, or in none.
    """
    rows = _since(query, query.since or date.min, sign=1)
    if query.until and query.until < date.max:
        after = _since(query, query.until + timedelta(days=1), sign=-1)
        rows = rows.union(after, all=True)
    found: dict[int, dict[str, int]] = {}
    for step, *sums, sign in rows:
        mine = found.setdefault(step, dict.fromkeys(COLUMNS, 0))
        for name, n in zip(COLUMNS, sums, strict=True):
            mine[name] += sign * n
    return {step: Numbers(**counts_from(sums)) for step, sums in found.items()}


def derive_passage(of_days: Numbers, whole: Numbers, *, is_counted: bool) -> None:
    """Derive proceeded and exited of the chosen days.

    A visit leaves an Audience Sync step at once, so the way out equals entered, unless both ways
    were used. Other steps are not counted by day.
    """
    if not is_counted:
        of_days.entered = of_days.proceeded = of_days.exited = None
    elif whole.proceeded and whole.exited:
        of_days.proceeded = of_days.exited = None
    elif whole.proceeded:
        of_days.proceeded = of_days.entered
    else:
        of_days.exited = of_days.entered


def _since(query: TableQuery, day: date, *, sign: int) -> QuerySet[Any, Any]:
    """Return (step, the changes since ``day`` began, ``sign``)."""
    rows = _begun(query, day).values_list("sync__steps")
    return rows.annotate(**days.CHANGES, sign=Value(sign))


def _begun(query: TableQuery, day: date) -> QuerySet[TallyDay]:
    """Return what the tallies of steps said when a day began.

    Of the group of the filter: its other parts would cost more than they save.
    """
    syncs = Sync.objects.filter(purpose=Sync.Purpose.STEP)
    if query.group:
        syncs = syncs.filter(app_group__slug=query.group)
    return days.begun(syncs, day).filter(sync__steps__isnull=False)
