"""Charts of the people of a step: what became of them, or where they went, hour by hour.

The rows of an hour (TallyHour, StepHour) change with the counters that the step shows, so a chart
adds up to them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Min, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from audiencesync.core.charts.bars import Bars, Series
from audiencesync.core.charts.bins import Bins
from canvases.models import Step
from canvases.steps.base import Text
from partners.models import TallyHour
from partners.models.tallies import COLUMNS, counts_from

OUTCOMES: dict[str, tuple[Text, str]] = {
    "synced": (_("Synced"), "fill-synced"),
    "not_synced": (_("Not synced"), "fill-grey"),
    "errored": (_("Errored"), "fill-bad"),
}


DEPARTURES: dict[str, tuple[Text, str]] = {
    "proceeded": (_("Went on"), "fill-synced"),
    "exited": (_("Left the canvas"), "fill-pending"),
    "withdrawn": (_("Left early"), "fill-grey"),
}


def first_hour(step: Step, *, sends: bool) -> datetime | None:
    """Return the first hour in which something was counted at a step."""
    hours: Any = TallyHour.objects.filter(sync__steps=step) if sends else step.hours
    first: datetime | None = hours.aggregate(first=Min("hour"))["first"]
    return first


def of_step(step: Step, bins: Bins, *, sends: bool) -> Bars:
    """Return what became of the people of a step, by time: synced or not, or where they went."""
    return outcomes([step], bins) if sends else departures(step, bins)


def departures(step: Step, bins: Bins) -> Bars:
    """Return the people who came out of a step, by the time at which they did. One query."""
    hours = step.hours.filter(hour__gte=bins.begin, hour__lt=bins.end)
    rows = ((hour, counts) for hour, *counts in hours.values_list("hour", *DEPARTURES))
    return _bars(bins, DEPARTURES, rows)


def outcomes(steps: Iterable[Step], bins: Bins) -> Bars:
    """Return what became of the people of steps that send, by the time of the outcome. One query.

    An errored person who is retried counts as minus one errored at the time of the retry.
    """
    return outcomes_of(TallyHour.objects.filter(sync__steps__in=[step.pk for step in steps]), bins)


def outcomes_of(hours: QuerySet[TallyHour], bins: Bins) -> Bars:
    """Return what became of the people that ``hours`` count, by the time of the outcome."""
    hours = hours.filter(hour__gte=bins.begin, hour__lt=bins.end)
    sums = hours.order_by().values_list("hour").annotate(*(Sum(name) for name in COLUMNS))
    rows = []
    for hour, *counts in sums:
        numbers = counts_from(dict(zip(COLUMNS, counts, strict=True)))
        rows.append((hour, [numbers[name] for name in OUTCOMES]))
    return _bars(bins, OUTCOMES, rows)


def _bars(
    bins: Bins, parts: dict[str, tuple[Text, str]], rows: Iterable[tuple[datetime, list[int]]]
) -> Bars:
    values = list(zip(*bins.sums(rows, len(parts)), strict=True))
    named = zip(parts.items(), values, strict=True)
    return Bars(bins, [Series(name, label, css, row) for (name, (label, css)), row in named])
