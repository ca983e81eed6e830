"""Bars: their heights add up, small numbers are seen, the steps of the axis are nice."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from audiencesync.core.charts import bars, bins
from audiencesync.core.charts.bars import Bars, Series

BERLIN = ZoneInfo("Europe/Berlin")
DAY = date(2026, 7, 1)


def chart(*values):
    days = bins.days(DAY, date(2026, 7, len(values[0])), BERLIN)
    return Bars(days, [Series(f"s{n}", f"S{n}", f"fill-{n}", row) for n, row in enumerate(values)])


@pytest.mark.parametrize(
    ("most", "step"), [(0, 1), (1, 1), (4, 1), (5, 2), (17, 5), (405, 200), (2_000_001, 1_000_000)]
)
def test_the_steps_of_the_axis_are_nice(most, step):
    assert bars.nice_step(most) == step


def test_a_bar_reaches_its_number_on_the_axis():
    one = chart([400, 100], [0, 300])
    places = {line.text: float(line.place) for line in one.lines}

    day_bars = list(one.bars)
    assert len(day_bars) == 2
    for _words, parts in day_bars:
        assert float(parts[-1].y) == pytest.approx(places["400"], abs=0.2)
        assert float(parts[0].y) + float(parts[0].height) == pytest.approx(places["0"], abs=0.2)


@pytest.mark.parametrize(
    ("most", "language", "texts"),
    [
        (1_204_000, "en", ["1.5 M", "1 M", "0.5 M", "0"]),
        (1_204_000, "de", ["1,5 Mio.", "1 Mio.", "0,5 Mio.", "0"]),
        (900_000, "en", ["1 M", "0.5 M", "0"]),
        (400_000, "en", ["400,000", "300,000", "200,000", "100,000", "0"]),
    ],
)
def test_the_axis_counts_millions_where_thousands_do_not_fit(most, language, texts):
    with translation.override(language):
        assert [line.text for line in chart([most]).lines] == texts


def test_a_small_number_is_seen_and_zero_is_not():
    [(_first, parts), (_second, others)] = chart([100_000, 0], [1, 5]).bars

    assert [part.css for part in parts] == ["fill-0", "fill-1"]
    assert float(parts[1].height) == bars.MIN_HEIGHT
    assert [part.css for part in others] == ["fill-1"]


def test_a_negative_number_stands_in_the_table_only():
    one = chart([-26, 26])

    assert [words for words, _parts in one.bars] == ["2 Jul: S0 26"]
    assert one.rows == [("2 Jul", [26]), ("1 Jul", [-26])]


@pytest.mark.parametrize("n", [1, 9, 31])
def test_at_most_nine_labels_stand_below(n):
    assert 1 <= len(chart([1] * n).times) <= bars.MAX_LABELS


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_labels_of_hours_are_even_when_the_clocks_change(day):
    begin = bins.midnight(day, BERLIN)
    hours = bins.hours(begin, begin + timedelta(hours=22), BERLIN)  # in which the last one begins
    times = [label.text for label in Bars(hours, [Series("s", "S", "f", [1] * 23)]).times]

    assert times[0] == f"{day.day} {day:%b}"
    assert times[1:7] == ["03:00", "06:00", "09:00", "12:00", "15:00", "18:00"]


def test_days_of_several_years_have_their_year():
    weeks = bins.days(date(2024, 12, 18), date(2026, 7, 1), BERLIN, per_bin=7)
    n = len(weeks.edges) - 1
    one = Bars(weeks, [Series("s", "S", "f", [1] * n)])

    assert one.rows[-1][0] == "18 Dec 2024"
    assert one.times[0].text == "18 Dec 2024"
    assert len({words for words, _values in one.rows}) == n


def test_months_are_in_the_language_of_the_reader():
    with translation.override("de"):
        assert chart([1]).times[0].text == "1. Jul"
