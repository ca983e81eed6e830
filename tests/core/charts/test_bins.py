"""Bins of time: days of a time zone have 23 or 25 hours when its clocks are changed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from audiencesync.core.charts import bins

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)],
)
def test_a_day_has_the_hours_between_its_midnights(day, hours):
    begin, end = bins.midnight(day, BERLIN), bins.midnight(day + timedelta(days=1), BERLIN)
    by_hour = bins.hours(begin, end - HOUR, BERLIN)
    every_hour = [(edge, [1]) for edge in by_hour.edges[:-1]]

    assert len(by_hour.starts) == hours
    assert bins.days(day, day, BERLIN).sums(every_hour, 1) == [[hours]]


def test_the_hour_that_comes_twice_has_two_bins():
    midnight = bins.midnight(date(2026, 10, 25), BERLIN)
    starts = bins.hours(midnight, midnight + 4 * HOUR, BERLIN).starts

    assert [start.hour for start in starts] == [0, 1, 2, 2, 3]


def test_an_hour_belongs_to_the_day_in_which_it_begins():
    days = bins.days(date(2026, 10, 24), date(2026, 10, 26), BERLIN)
    last = datetime(2026, 10, 25, 22, tzinfo=UTC)  # 23:00 in Berlin, which is back at CET

    assert days.sums([(last, [3]), (last + HOUR, [4])], 1) == [[0], [3], [4]]


def test_rows_outside_of_the_bins_are_left_out():
    days = bins.days(date(2026, 7, 1), date(2026, 7, 1), BERLIN)

    assert days.sums([(days.begin - HOUR, [1]), (days.end, [1])], 1) == [[0]]


def test_several_days_in_a_bin_begin_at_midnights():
    weeks = bins.days(date(2026, 10, 19), date(2026, 11, 1), BERLIN, per_bin=7)

    assert [start.hour for start in weeks.starts] == [0, 0]
    assert weeks.end - weeks.begin == timedelta(days=14) + HOUR
