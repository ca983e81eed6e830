"""Bins of time: hours, or days of a time zone, which have 23 or 25 hours twice a year."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bins:
    """Consecutive spans of time. ``edges``: the beginning of each and the end of the last, in UTC.

    An hour of a tally belongs to the bin in which it begins.
    """

    edges: tuple[datetime, ...]
    zone: ZoneInfo
    days: int  # how many days each bin has; 0: each is an hour

    @property
    def begin(self) -> datetime:
        """Return the beginning of the first bin."""
        return self.edges[0]

    @property
    def end(self) -> datetime:
        """Return the end of the last bin."""
        return self.edges[-1]

    @property
    def starts(self) -> list[datetime]:
        """Return the beginning of each bin, in the time zone."""
        return [edge.astimezone(self.zone) for edge in self.edges[:-1]]

    def sums(self, rows: Iterable[tuple[datetime, Sequence[int]]], n: int) -> list[list[int]]:
        """Add up rows (hour, ``n`` counts) by bin; rows outside of the bins are left out."""
        totals = [[0] * n for _ in self.edges[1:]]
        for hour, counts in rows:
            bin_index = bisect_right(self.edges, hour) - 1
            if 0 <= bin_index < len(totals):
                for i, count in enumerate(counts):
                    totals[bin_index][i] += count
        return totals


def hours(begin: datetime, last: datetime, zone: ZoneInfo) -> Bins:
    """Return the hours from that of ``begin`` to that of ``last``."""
    first, end = _start_of_hour(begin), _start_of_hour(last) + HOUR
    return Bins(tuple(first + HOUR * n for n in range((end - first) // HOUR + 1)), zone, 0)


def days(first: date, last: date, zone: ZoneInfo, *, per_bin: int = 1) -> Bins:
    """Return the days from ``first`` to ``last``, ``per_bin`` in each bin."""
    n = -(-((last - first).days + 1) // per_bin)  # rounded up
    starts = (first + timedelta(days=per_bin * i) for i in range(n + 1))
    return Bins(tuple(midnight(day, zone) for day in starts), zone, per_bin)


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the beginning of a day, in UTC."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def utc_midnight(now: datetime) -> datetime:
    """Return the beginning of the day in UTC."""
    return midnight(now.astimezone(UTC).date(), UTC)


def _start_of_hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
