"""The people of a canvas: entries by time, how visits ended, and how far they came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Sum
from django.utils.translation import gettext_lazy as _

from audiencesync.core.charts.bars import Bars, Series
from audiencesync.core.charts.bins import Bins
from canvases.models import Canvas, CanvasHour, LeftBy, StepTally
from canvases.steps.base import Text


@dataclass(frozen=True, slots=True)
class Ends:
    """What became of the visits of a canvas: entered = inside + through (all the way) + early."""

    entered: int
    inside: int
    early: dict[str, int]  # by LeftBy, the most frequent first

    @property
    def n_early(self) -> int:
        """Return how many visits ended early."""
        return sum(self.early.values())

    @property
    def through(self) -> int:
        """Return how many went all the way."""
        return self.entered - self.inside - self.n_early

    @property
    def reasons(self) -> list[tuple[str, Text, int]]:
        """Return why visits ended early: the name of the list, the words, how many."""
        return [(f"left_{reason}", LeftBy(reason).label, n) for reason, n in self.early.items()]


def first_hour(canvas: Canvas) -> datetime | None:
    """Return the first hour of which entries are kept."""
    first: datetime | None = canvas.hours.aggregate(first=Min("hour"))["first"]
    return first


def entries(canvas: Canvas, bins: Bins) -> Bars:
    """Return the entries by the time at which they were admitted. One query."""
    hours = CanvasHour.objects.filter(canvas=canvas, hour__gte=bins.begin, hour__lt=bins.end)
    rows = ((hour, [n]) for hour, n in hours.values_list("hour", "entered"))
    values = [n for [n] in bins.sums(rows, 1)]
    return Bars(bins, [Series("entered", _("Entered"), "fill-synced", values)])


def ends(canvas: Canvas) -> Ends:
    """Return what became of the visits. Two queries."""
    inside = StepTally.objects.filter(step__canvas=canvas).aggregate(n=Sum("waiting", default=0))
    early = canvas.exit_tallies.filter(n__gt=0).order_by("-n", "reason")
    return Ends(canvas.entered, inside["n"], dict(early.values_list("reason", "n")))
