"""Schedules run at local times, even in nights when clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from canvases import schedule

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")  # its clocks change by half an hour
DAILY = {"every": "day", "on": "2026-01-01", "at": "02:30"}
KINDS = {
    "once": {},
    "day": {"every": "day", "on": "2026-01-01"},
    "week": {"every": "week", "on": "2026-01-01", "weekdays": [6]},
    "month": {"every": "month", "on": "2026-01-01"},
}
# In these nights, all on a Sunday, the clock of a zone goes forward or back. Each row has the local
# time of the schedule, and the run in UTC.
ODD_NIGHTS = [
    (BERLIN, "2026-03-29", "02:30", "2026-03-29T01:00"),  # 03:00, the first that exists
    (BERLIN, "2026-10-25", "02:30", "2026-10-25T00:30"),  # the first of two
    (NEW_YORK, "2026-03-08", "02:15", "2026-03-08T07:00"),
    (NEW_YORK, "2026-11-01", "01:15", "2026-11-01T05:15"),
    (LORD_HOWE, "2026-10-04", "02:10", "2026-10-03T15:30"),
    (LORD_HOWE, "2026-04-05", "01:45", "2026-04-04T14:45"),
]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(raw, zone, after, n=3):
    next_runs = schedule.next_runs(schedule.read(raw), zone, at(after), n)
    return [run_at.strftime("%Y-%m-%d %H:%M %z") for run_at in next_runs]


@pytest.mark.parametrize("every", KINDS)
@pytest.mark.parametrize(("zone", "day", "local", "expected"), ODD_NIGHTS)
def test_runs_in_nights_when_clocks_change(every, zone, day, local, expected):
    raw = {"every": "once", "on": day, "at": local} | KINDS[every]
    if every == "month":
        raw["day"] = int(day[-2:])
    run = schedule.next_after(schedule.read(raw), zone, at(day + "T00:00").replace(day=1))

    while run and run < at(expected):
        run = schedule.next_after(schedule.read(raw), zone, run)

    assert run == at(expected)


@pytest.mark.parametrize(("zone", "day", "local", "expected"), ODD_NIGHTS)
def test_a_day_has_one_run_whatever_the_clock_does(zone, day, local, expected):
    read = schedule.read({"every": "day", "on": day, "at": local})

    following = schedule.next_after(read, zone, at(expected))

    assert following.astimezone(zone).strftime("%H:%M") == local
    assert following.astimezone(zone).date().toordinal() == read.on.toordinal() + 1


def test_a_day_that_a_zone_left_out_has_no_run_of_its_own():
    apia = ZoneInfo("Pacific/Apia")  # had no 30 December 2011

    next_runs = runs({"every": "day", "on": "2011-12-29", "at": "00:00"}, apia, "2011-12-01T00:00")

    assert next_runs == [
        "2011-12-29 00:00 -1000",
        "2011-12-31 00:00 +1400",
        "2012-01-01 00:00 +1400",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"every": "once", "on": "2026-12-01", "at": "14:00"}, ["2026-12-01 14:00 +0100"]),
        (
            {"every": "day", "on": "2026-12-30", "at": "00:00"},
            ["2026-12-30 00:00 +0100", "2026-12-31 00:00 +0100", "2027-01-01 00:00 +0100"],
        ),
        (
            {"every": "week", "on": "2026-12-29", "at": "09:05", "weekdays": [4, 0]},
            ["2027-01-01 09:05 +0100", "2027-01-04 09:05 +0100", "2027-01-08 09:05 +0100"],
        ),
        (
            {"every": "month", "on": "2026-12-01", "at": "23:59", "day": 31},
            ["2026-12-31 23:59 +0100", "2027-01-31 23:59 +0100", "2027-02-28 23:59 +0100"],
        ),
        (
            {"every": "month", "on": "2028-02-01", "at": "08:00", "day": "last"},
            ["2028-02-29 08:00 +0100", "2028-03-31 08:00 +0200", "2028-04-30 08:00 +0200"],
        ),
        (
            {"every": "month", "on": "2028-02-01", "at": "08:00", "day": 29},
            ["2028-02-29 08:00 +0100", "2028-03-29 08:00 +0200", "2028-04-29 08:00 +0200"],
        ),
        (
            {"every": "day", "on": "2026-12-30", "at": "08:00", "until": "2026-12-31"},
            ["2026-12-30 08:00 +0100", "2026-12-31 08:00 +0100"],
        ),
    ],
)
def test_the_next_runs_are_at_local_times(raw, expected):
    assert runs(raw, BERLIN, "2026-11-29T12:00") == expected


def test_the_run_at_a_given_time_is_not_after_it():
    read = schedule.read(DAILY)

    assert schedule.next_after(read, BERLIN, at("2026-06-01T00:30")) == at("2026-06-02T00:30")
    assert schedule.next_after(read, BERLIN, at("2026-06-01T00:29")) == at("2026-06-01T00:30")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"every": "year"}, "every"),
        ({"every": ["day"]}, "every"),
        ({"on": None}, "on"),
        ({"on": "2026-02-30"}, "on"),
        ({"on": "20261201"}, "on"),
        ({"on": "9999-12-31"}, "on"),
        ({"at": "24:00"}, "at"),
        ({"at": "2:30"}, "at"),
        ({"at": 230}, "at"),
        ({"until": "2025-12-31"}, "until"),
        ({"until": "soon"}, "until"),
        ({"every": "week"}, "weekdays"),
        ({"every": "week", "weekdays": []}, "weekdays"),
        ({"every": "week", "weekdays": [7]}, "weekdays"),
        ({"every": "week", "weekdays": [True]}, "weekdays"),
        ({"every": "month"}, "day"),
        ({"every": "month", "day": 0}, "day"),
        ({"every": "month", "day": "first"}, "day"),
        ({"hour": 4}, "hour"),
    ],
)
def test_an_error_names_its_key(changes, field):
    with pytest.raises(schedule.ScheduleError) as caught:
        schedule.read(DAILY | changes)

    assert caught.value.field == field


def test_a_list_is_no_schedule():
    with pytest.raises(schedule.ScheduleError):
        schedule.read([])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"every": "once", "on": "2026-11-29", "at": "13:00"}, "on"),
        ({"until": "2026-11-28"}, "until"),
        ({"until": "2026-11-29", "at": "12:30"}, "until"),
        ({"every": "month", "day": 31, "on": "2026-12-01", "until": "2026-12-30"}, "until"),
    ],
)
def test_a_schedule_without_a_run_left_is_refused(changes, field):
    read = schedule.read(DAILY | changes)

    with pytest.raises(schedule.ScheduleError) as caught:
        schedule.check(read, BERLIN, at("2026-11-29T12:00"))

    assert caught.value.field == field


def test_a_schedule_with_a_run_left_is_accepted():
    schedule.check(schedule.read(DAILY), BERLIN, at("2026-11-29T12:00"))


@pytest.mark.parametrize("more", [{}, {"every": "week", "weekdays": [1]}, {"until": "2027-01-01"}])
def test_a_schedule_is_written_as_it_is_read(more):
    read = schedule.read(DAILY | more)

    assert schedule.read(read.as_json()) == read
