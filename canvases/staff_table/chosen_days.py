"""The numbers of the days that the filter selects, and of today.

The number of a range of days is the count at its end minus the count at its beginning
(partners/numbers/days.py).
"""

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
    n_by_step: dict[int, int] = defaultdict(int)
    for step, n, n_before in _step_syncs(query).values_list(
        "steps", "tally__synced", days.count_at(today, "synced")
    ):
        n_by_step[step] += 0 if n_before is None else n - n_before
    return n_by_step


def numbers(query: TableQuery) -> dict[int, Numbers]:
    """Return step -> its numbers of the chosen days. One query, so that they add up."""
    columns: list[str | Subquery] = [
        "steps",
        days.counts_at(query.since or date.min),
        *days.CURRENT,
    ]
    if query.until and query.until < date.max:
        columns.append(days.counts_at(query.until + timedelta(days=1)))
    sums_by_step: dict[int, list[int]] = {}
    for step, at_start, *counts in _step_syncs(query).values_list(*columns):
        if at_start is None:  # nothing has changed since
            continue
        # ``counts``: the current counts, then the counts at the end of the chosen days if it is
        # past. These are NULL if nothing has changed since: then the current counts hold.
        at_end = (counts[len(days.CURRENT) :] or [None])[0] or counts[: len(days.CURRENT)]
        differences = [n - before for n, before in zip(at_end, at_start, strict=True)]
        earlier = sums_by_step.get(step)
        sums_by_step[step] = (
            [a + b for a, b in zip(earlier, differences, strict=True)] if earlier else differences
        )
    return {
        step: Numbers(**counts_from(dict(zip(COLUMNS, sums, strict=True))))
        for step, sums in sums_by_step.items()
    }


def derive_departures(of_days: Numbers, since_launch: Numbers, *, is_counted: bool) -> None:
    """Derive proceeded and exited of the chosen days, which are not counted by day.

    A visit leaves an Audience Sync step at once. So if all visits since the launch proceeded, or
    all exited, that number equals entered; otherwise neither is known. ``is_counted``: whether the
    step is such a step: other steps have no numbers by day.
    """
    if not is_counted:
        of_days.entered = of_days.proceeded = of_days.exited = None
    elif since_launch.proceeded and since_launch.exited:
        of_days.proceeded = of_days.exited = None
    elif since_launch.proceeded:
        of_days.proceeded = of_days.entered
    else:
        of_days.exited = of_days.entered


def _step_syncs(query: TableQuery) -> QuerySet[Sync]:
    """Return the Syncs of steps, in the group of the filter.

    The other parts of the filter are not applied here: applying them would take longer.
    """
    syncs = Sync.objects.filter(steps__isnull=False).order_by()
    return syncs.filter(app_group__slug=query.group) if query.group else syncs
