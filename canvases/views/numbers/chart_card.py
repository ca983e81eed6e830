"""The card with a chart: its choices, a sentence about it, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext

from audiencesync.core.charts.bars import Bars, clock
from audiencesync.core.csv_files import Cell
from audiencesync.groups import exports
from audiencesync.groups.models import Activity
from audiencesync.groups.templatetags.ui import ZONE_NAMES
from canvases.models import Canvas
from canvases.numbers.ranges import UNITS, Choice, Range

PART = "canvases/numbers/_chart_card.html"


@dataclass(frozen=True, slots=True)
class ChartCard:
    """A chart with its range. ``retention_note``: what is no longer kept, in words."""

    chart: Bars
    span: Range
    now: datetime
    retention_note: str = ""

    @property
    def is_by_hour(self) -> bool:
        """Return whether a bar is an hour."""
        return not self.chart.bins.days

    @property
    def title(self) -> str:
        """Return the title, which says how long the time of a bar is."""
        if self.is_by_hour:
            return gettext("People by hour")
        if self.chart.bins.days == 1:
            return gettext("People by day")
        return gettext("People by %(n)s days") % {"n": self.chart.bins.days}

    @property
    def units(self) -> list[Choice]:
        """Return the units to choose from; none if there is only one."""
        units = self.span.units(now=self.now)
        by = self.span.unit_shown(now=self.now)
        choices = [(UNITS[unit], self.span.query(unit=unit), unit == by) for unit in units]
        return choices if len(choices) > 1 else []

    @property
    def since(self) -> str:
        """Return the day on which counting began."""
        return date_format(self.span.since.astimezone(self.span.zone), "DATE_FORMAT")

    @property
    def csv_query(self) -> str:
        """Return the query string that downloads the numbers of the chart."""
        return f"{self.span.query()}&format=csv&rows=time"

    @property
    def period(self) -> str:
        """Return from when to when, with the time zone."""
        bins, day = self.chart.bins, self.chart.day
        begin, end = bins.begin.astimezone(bins.zone), self.now.astimezone(bins.zone)
        zone = end.tzname() or ""
        return gettext("%(begin)s to %(end)s %(zone)s") % {
            "begin": f"{day(begin)}, {clock(begin)}",
            "end": f"{day(end)}, {clock(end)}",
            "zone": ZONE_NAMES.get(zone, zone),
        }

    @property
    def sentence(self) -> str:
        """Return what the chart shows, as a sentence for screen readers."""
        sums = ", ".join(
            f"{series.label} {number_format(series.total)}" for series in self.chart.series
        )
        return f"{self.period}: {sums}. {self.peak}".strip()

    @property
    def peak(self) -> str:
        """Return a sentence about the highest bar; empty if all bars are empty."""
        values = zip(*(series.values for series in self.chart.series), strict=True)
        totals = [sum(max(0, n) for n in row) for row in values]
        if not any(totals):
            return ""
        highest = max(totals)
        when = self.chart.time_label(self.chart.bins.starts[totals.index(highest)])
        return gettext("Most people: %(n)s on %(when)s.") % {
            "n": number_format(highest),
            "when": when,
        }

    @property
    def has_retries(self) -> bool:
        """Return whether a number of the table is negative, as retries of errored people are."""
        return any(n < 0 for series in self.chart.series for n in series.values)


def csv_file(
    request: HttpRequest, canvas: Canvas, rows: Iterable[Sequence[Cell]], name: str
) -> HttpResponseBase:
    """Return numbers of a canvas as a CSV file."""
    subject, kind = canvas.name, Activity.Kind.CANVAS
    return exports.csv_file(
        request, [canvas.app_group], rows, name=name, subject=subject, kind=kind
    )


def download(request: HttpRequest, canvas: Canvas, card: ChartCard, name: str) -> HttpResponseBase:
    """Return the numbers of a chart as a CSV file: the beginning of each bin, then its values."""
    chart = card.chart
    values = zip(*(series.values for series in chart.series), strict=True)
    rows: list[list[Cell]] = [
        [gettext("From"), *(str(series.label) for series in chart.series)],
        *(
            [start.isoformat(timespec="minutes"), *row]
            for start, row in zip(chart.bins.starts, values, strict=True)
        ),
    ]
    return csv_file(request, canvas, rows, name)
