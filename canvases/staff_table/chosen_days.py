"""What changed on the days of the filter, and today: differences of counts between two days."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

from django.db.models import QuerySet, Subquery

from canvases.analytics import Numbers
from canvases.staff_table.query import TableQuery
from partners.models import Sync
from partners.models.tallies import COLUMNS, counts_from
from partners.numbers import days


def synced_today(query: TableQuery, *, now: datetime) -> dict[int, int]:
    """Return step -> how many people were synced today (UTC). One query."""
    today = now.astimezone(UTC).date()
    found: dict[int, int] = defaultdict(int)
    for step, n, before in _syncs(query).values_list(
        "steps", "tally__synced", days.count_at(today, "synced")
    ):
        found[step] += 0 if before is None else n - before
    return found


def numbers(query: TableQuery) -> dict[int, Numbers]:
    """Return step -> its numbers of the chosen days. One query, so they add up."""
    asked: list[str | Subquery] = ["steps", days.counts_at(query.since or date.min), *days.CURRENT]
    if query.until and query.until < date.max:
        asked.append(days.counts_at(query.until + timedelta(days=1)))
    found: dict[int, list[int]] = {}
    for step, begun, *counts in _syncs(query).values_list(*asked):
        if begun is None:  # nothing has changed since
            continue
        # The counts when the days ended; the present ones if nothing has changed since (NULL), or
        # if the days include today.
        ended = (counts[len(days.CURRENT) :] or [None])[0] or counts[: len(days.CURRENT)]
        changed = [n - before for n, before in zip(ended, begun, strict=True)]
        known = found.get(step)
        found[step] = [a + b for a, b in zip(known, changed, strict=True)] if known else changed
    return {
        step: Numbers(**counts_from(dict(zip(COLUMNS, sums, strict=True))))
        for step, sums in found.items()
    }


def derive_departures(of_days: Numbers, whole: Numbers, *, is_counted: bool) -> None:
    """Derive proceeded and exited of the chosen days, which are not counted by day.

    A visit leaves an Audience Sync step at once. So if all visits ever proceeded, or all exited,
    that number equals entered; else neither is known. Of other steps nothing is known by day.
    """
    if not is_counted:
        of_days.entered = of_days.proceeded = of_days.exited = None
    elif whole.proceeded and whole.exited:
        of_days.proceeded = of_days.exited = None
    elif whole.proceeded:
        of_days.proceeded = of_days.entered
    else:
        of_days.exited = of_days.entered


def _syncs(query: TableQuery) -> QuerySet[Sync]:
    """Return the Syncs of steps, in the group of the filter.

    The other parts of the filter are not applied here: that would cost more than it saves.
    """
    found = Sync.objects.filter(steps__isnull=False).order_by()
    return found.filter(app_group__slug=query.group) if query.group else found
