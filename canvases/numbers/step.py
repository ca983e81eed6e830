"""The people of a step by time: from the tallies by hour, which add up to those of its card."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

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


def since(steps: Iterable[Step]) -> datetime | None:
    """Return the first hour in which something was counted at these steps."""
    hours = TallyHour.objects.filter(sync__steps__in=[step.pk for step in steps])
    first: datetime | None = hours.aggregate(first=Min("hour"))["first"]
    return first


def outcomes(steps: Iterable[Step], bins: Bins) -> Bars:
    """Return what became of the people of steps that send, by the time of the outcome. One query.

    What was errored and is tried again counts as minus one at the time of the new try.
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
    values = list(zip(*bins.sums(rows, len(OUTCOMES)), strict=True))
    return Bars(
        bins,
        [
            Series(name, label, css, values[n])
            for n, (name, (label, css)) in enumerate(OUTCOMES.items())
        ],
    )
