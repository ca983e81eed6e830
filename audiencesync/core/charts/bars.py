"""Stacked bars: x and widths in per cent, y and heights in pixels, for an SVG without a viewBox.

The bars fill any width, and the text keeps its size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import pgettext

from audiencesync.core.charts.bins import Bins

PLOT_HEIGHT = 160  # pixels from the lowest to the highest line
SPACE_ABOVE = 8  # pixels above the highest line
BAR_SHARE = 0.72  # part of the width of its place that a bar fills
MIN_HEIGHT = 1.5  # pixels: so that the smallest number is visible
MAX_STEPS = 4  # steps of the axis of counts, at most
MILLION = 1_000_000
YEAR = timedelta(days=365)
MAX_LABELS = 9  # labels of the time axis
# Possible gaps between two labels: the smallest one that needs at most MAX_LABELS is taken.
HOURS_BETWEEN = (1, 2, 3, 4, 6, 12, 24, 48)
DAYS_BETWEEN = (1, 2, 7, 14, 28, 56, 91, 182, 364)


@dataclass(frozen=True, slots=True)
class Series:
    """One part of the bars. ``css``: the class that fills it. ``values``: one for each bin."""

    name: str
    label: str | Promise
    css: str
    values: Sequence[int]

    @property
    def total(self) -> int:
        """Return the sum of its values."""
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Part:
    """A rectangle of a bar: its class, and the other attributes of the SVG element."""

    css: str
    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text at an axis. ``place``: per cent from the left, or pixels from the top."""

    text: str
    place: str
    is_odd: bool = False  # a narrow screen shows every second one


def _short_number(n: int, *, top: int) -> str:
    """Return a label of an axis, in millions where the highest label would not fit otherwise."""
    if n == 0 or top < MILLION:
        return number_format(n)
    places = 0 if n % MILLION == 0 else 1 if n % (MILLION // 10) == 0 else 2
    return pgettext("axis", "%(n)s M") % {"n": number_format(n / MILLION, places)}


class Bars:
    """A chart of stacked bars, one for each bin. A negative value is in the table only."""

    def __init__(self, bins: Bins, series: Sequence[Series]) -> None:
        self.bins, self.series = bins, series
        sums = [sum(max(0, n) for n in values) for values in zip(*self._values, strict=True)]
        highest = max(sums, default=0)
        self.step = nice_step(highest)
        self.top = self.step * max(1, -(-highest // self.step))  # rounded up to a whole step

    @property
    def _values(self) -> list[Sequence[int]]:
        return [series.values for series in self.series]

    @property
    def height(self) -> int:
        """Return the height of the plot with the labels of the time axis."""
        return SPACE_ABOVE + PLOT_HEIGHT + 20

    @property
    def is_empty(self) -> bool:
        """Return whether all values are 0."""
        return not any(n for values in self._values for n in values)

    @property
    def bars(self) -> Iterator[tuple[str, list[Part]]]:
        """Yield the text and the parts of each bar that is not empty, the first series lowest."""
        place = 100 / max(1, len(self.bins.edges) - 1)  # width of a bar with the space around it
        for index, start in enumerate(self.bins.starts):
            x, width = place * (index + (1 - BAR_SHARE) / 2), place * BAR_SHARE
            y, parts = float(SPACE_ABOVE + PLOT_HEIGHT), []
            for series in self.series:
                if (n := series.values[index]) > 0:
                    height = max(MIN_HEIGHT, PLOT_HEIGHT * n / self.top)
                    y -= height
                    parts.append(
                        Part(series.css, f"{x:.3f}%", f"{y:.1f}", f"{width:.3f}%", f"{height:.1f}")
                    )
            if parts:
                yield self._bar_text(index, start), parts

    def _bar_text(self, index: int, start: datetime) -> str:
        counts = [f"{series.label} {number_format(series.values[index])}" for series in self.series]
        return f"{self.time_label(start)}: {', '.join(counts)}"

    @property
    def lines(self) -> list[Label]:
        """Return the lines of the axis of counts, the highest first."""
        values, bottom = range(self.top, -1, -self.step), SPACE_ABOVE + PLOT_HEIGHT
        return [
            Label(_short_number(n, top=self.top), f"{bottom - PLOT_HEIGHT * n / self.top:.1f}")
            for n in values
        ]

    @property
    def times(self) -> list[Label]:
        """Return the labels of the time axis, each in the middle of its bar."""
        starts = self.bins.starts
        labelled = [index for index, start in enumerate(starts) if self._is_labelled(index, start)]
        places = [f"{100 * (index + 0.5) / len(starts):.2f}%" for index in labelled]
        return [
            Label(self._axis_text(starts[index]), place, is_odd=bool(n % 2))
            for n, (index, place) in enumerate(zip(labelled, places, strict=True))
        ]

    def _is_labelled(self, index: int, start: datetime) -> bool:
        # Gaps are in days, or in hours where a bin is an hour (``days`` is 0).
        n_bins, per_bin = len(self.bins.edges) - 1, max(1, self.bins.days)
        possible_gaps = [gap for gap in self._gaps if n_bins * per_bin / gap <= MAX_LABELS]
        gap = possible_gaps[0] if possible_gaps else self._gaps[-1]
        if self.bins.days:
            return index % max(1, gap // per_bin) == 0
        if gap > 24:  # 48: every second midnight, on the same days in each chart
            return start.hour == 0 and start.date().toordinal() % (gap // 24) == 0
        return start.hour % gap == 0

    @property
    def _gaps(self) -> tuple[int, ...]:
        return DAYS_BETWEEN if self.bins.days else HOURS_BETWEEN

    def _axis_text(self, start: datetime) -> str:
        return self.day(start) if self.bins.days or start.hour == 0 else clock(start)

    def time_label(self, start: datetime) -> str:
        """Return in words the bin that begins at ``start``."""
        return self.day(start) if self.bins.days else f"{self.day(start)}, {clock(start)}"

    def day(self, at: datetime) -> str:
        """Return a local time as a day, with its year if the chart has a day of the year twice."""
        if self.bins.end - self.bins.begin <= YEAR:
            return day(at)
        return date_format(at, pgettext("format of a day, see Django's date filter", "j M Y"))

    @property
    def rows(self) -> list[tuple[str, list[int]]]:
        """Return the table: the words and the values of each bin, the newest first."""
        values = list(zip(*self._values, strict=True))
        starts = self.bins.starts
        return [(self.time_label(start), list(values[n])) for n, start in enumerate(starts)][::-1]


def nice_step(highest: int) -> int:
    """Return 1, 2 or 5 times a power of ten: at most MAX_STEPS such steps reach ``highest``."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * MAX_STEPS >= highest:
                return factor * power
        power *= 10


def day(at: datetime) -> str:
    """Return a local time as a day without its year."""
    return date_format(at, pgettext("format of a day, see Django's date filter", "j M"))


def clock(at: datetime) -> str:
    """Return a local time of day."""
    return date_format(at, pgettext("format of a time, see Django's date filter", "H:i"))
