"""The range of a chart: which ranges are allowed, and their bins, even when clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from canvases.numbers.ranges import Range

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 30, 12, 34, tzinfo=UTC)


def asked(*, since=NOW - timedelta(days=20), **query):
    return Range.of_query(query, since=since, zone=BERLIN)


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 10, 28, 22, 30, tzinfo=UTC), 7 * 24 + 1),
        (datetime(2026, 4, 1, 21, 30, tzinfo=UTC), 7 * 24 - 1),
        (datetime(2026, 7, 1, 21, 30, tzinfo=UTC), 7 * 24),
    ],
)
def test_a_week_by_hours_has_those_of_its_days(now, hours):
    bins = asked(range="7d", by="hour").bins(now=now)

    assert len(bins.starts) == hours
    assert bins.starts[0].hour == 0
    assert bins.begin == asked(range="7d", by="day").bins(now=now).begin


def test_24_hours_end_with_the_present_one():
    bins = asked(range="24h", by="day").bins(now=NOW)

    assert len(bins.starts) == 24
    assert bins.starts[-1] == NOW.replace(minute=0)


def test_30_days_are_shown_by_days_only():
    assert asked(range="30d", by="hour").units(now=NOW) == ["day"]
    assert len(asked(range="30d", by="hour").bins(now=NOW).starts) == 30


@pytest.mark.parametrize(("days", "per_bin"), [(0, 0), (60, 1), (300, 7), (2000, 28), (9000, 91)])
def test_a_long_time_has_at_most_a_hundred_bars(days, per_bin):
    bins = asked(range="all", since=NOW - timedelta(days=days)).bins(now=NOW)

    assert bins.days == per_bin
    assert 1 <= len(bins.starts) <= 100
    assert bins.begin <= NOW - timedelta(days=days)
    assert bins.end > NOW


def test_a_choice_keeps_the_others():
    span = asked(range="7d", by="day", view="table")

    assert span.query() == "?range=7d&by=day&view=table"
    assert span.query(name="24h") == "?range=24h&by=day&view=table"
    assert span.query(view="chart") == "?range=7d&by=day"
