"""Schedules of entries: once, daily, weekly or monthly at a local time. No database.

A schedule is stored as JSON: ``{"every": "once"|"day"|"week"|"month", "on": "2026-12-01", "at":
"14:00", "weekdays": [0, 3], "day": 31 | "last", "until": "2027-06-30" | null}``. ``on`` is the day
of the run of "once" and the first possible day of the others; ``weekdays`` (0 is Monday) is for
"week" only, ``day`` for "month" only. ``until`` is the last possible day.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

EVERY: dict[str, str | Promise] = {
    "once": _("Once"),
    "day": _("Every day"),
    "week": _("Every week"),
    "month": _("Every month"),
}
LAST = "last"
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_KEYS = frozenset({"every", "on", "at", "weekdays", "day", "until"})


class ScheduleError(ValueError):
    """An error in a schedule. ``field``: its key, such as ``until``; ``message``: in words."""

    def __init__(self, field: str, message: str | Promise) -> None:
        super().__init__(f"{field}: {message}")
        self.field, self.message = field, message


@dataclass(frozen=True, slots=True)
class Schedule:
    """A valid schedule. ``day`` is None unless it is monthly; then 1 to 31 or "last"."""

    every: str
    on: date
    at: time
    weekdays: tuple[int, ...] = ()
    day: int | str | None = None
    until: date | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that `read` reads."""
        raw: dict[str, Any] = {
            "every": self.every,
            "on": self.on.isoformat(),
            "at": f"{self.at:%H:%M}",
            "until": self.until.isoformat() if self.until else None,
        }
        if self.every == "week":
            raw["weekdays"] = list(self.weekdays)
        if self.every == "month":
            raw["day"] = self.day
        return raw


def read(raw: object) -> Schedule:
    """Return the schedule of a JSON object. Raise ScheduleError."""
    if not isinstance(raw, dict):
        raise ScheduleError("every", _("A schedule is an object with every, on and at."))
    if unknown := sorted(map(str, raw.keys() - _KEYS)):
        raise ScheduleError(unknown[0], _("A schedule has no such key."))
    every = raw.get("every")
    if not isinstance(every, str) or every not in EVERY:
        raise ScheduleError("every", _("Choose once, every day, every week or every month."))
    on, until = _day("on", raw.get("on")), None
    if every != "once" and raw.get("until") is not None:
        until = _day("until", raw["until"])
        if until < on:
            raise ScheduleError("until", _("The end lies before the beginning."))
    return Schedule(
        every=every,
        on=on,
        at=_time(raw.get("at")),
        weekdays=_weekdays(raw.get("weekdays")) if every == "week" else (),
        day=_day_of_month(raw.get("day")) if every == "month" else None,
        until=until,
    )


def check(schedule: Schedule, zone: ZoneInfo, now: datetime) -> None:
    """Raise ScheduleError if no run is left after ``now``."""
    if next_after(schedule, zone, now) is not None:
        return
    if schedule.every == "once":
        raise ScheduleError("on", _("This time is in the past."))
    if schedule.until is not None and schedule.until < now.astimezone(zone).date():
        raise ScheduleError("until", _("The end of the schedule is in the past."))
    raise ScheduleError("until", _("No run is left before the end of the schedule."))


def next_after(schedule: Schedule, zone: ZoneInfo, at: datetime) -> datetime | None:
    """Return the first run after ``at`` (aware), in UTC; None if there is none."""
    return next(_runs(schedule, zone, at), None)


def next_runs(schedule: Schedule, zone: ZoneInfo, now: datetime, n: int = 3) -> list[datetime]:
    """Return the next ``n`` runs after ``now``, in the time zone; fewer if fewer are left."""
    return [at.astimezone(zone) for at in islice(_runs(schedule, zone, now), n)]


def tomorrow(zone: ZoneInfo, now: datetime) -> date:
    """Return the day after the local day of ``now``."""
    return now.astimezone(zone).date() + _DAY


def day_of(run: datetime, schedule: Schedule, zone: ZoneInfo) -> date:
    """Return the day of a run: its local date, unless `instant` moved it over midnight."""
    local_day = run.astimezone(zone).date()
    day_before = local_day - _DAY
    is_moved = instant(datetime.combine(day_before, schedule.at), zone) == run
    return day_before if is_moved else local_day


def _runs(schedule: Schedule, zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    """Yield the runs after an aware time in their order; endless if there is no last day."""
    # Begin a day early: a run at a local time that does not exist may have moved to the next day.
    day = max(schedule.on, after.astimezone(zone).date() - _DAY)
    end = schedule.on if schedule.every == "once" else schedule.until
    last = after
    while end is None or day <= end:
        if _runs_on(schedule, day):
            at = instant(datetime.combine(day, schedule.at), zone)
            # Where the local calendar left out a day, the runs of two days may be at one instant.
            if at > last:
                last = at
                yield at
        day += _DAY


def _runs_on(schedule: Schedule, day: date) -> bool:
    """Return whether a run falls on this day. Ignore the first and last day of the schedule."""
    match schedule.every:
        case "once":
            return day == schedule.on
        case "week":
            return day.weekday() in schedule.weekdays
        case "month":
            longest = monthrange(day.year, day.month)[1]
            chosen = schedule.day if isinstance(schedule.day, int) else longest
            return day.day == min(chosen, longest)
        case _:
            return True


def instant(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the UTC time of a naive local time.

    A local time that does not exist moves to the next that does. If a local time exists twice, the
    first one counts.
    """
    while True:
        at = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if at.astimezone(zone).replace(tzinfo=None) == local:
            return at
        local += _MINUTE


def _day(key: str, raw: object) -> date:
    try:
        day = date.fromisoformat(raw) if isinstance(raw, str) else None
    except ValueError:
        day = None
    if day is None or day.isoformat() != raw or not 2000 <= day.year <= 2200:
        raise ScheduleError(key, _("This needs a date such as 2026-11-23."))
    return day


def _time(raw: object) -> time:
    if not isinstance(raw, str) or not _TIME.fullmatch(raw):
        raise ScheduleError("at", _("This needs a time such as 14:00."))
    return time.fromisoformat(raw)


def _weekdays(raw: object) -> tuple[int, ...]:
    days = raw if isinstance(raw, list) else []
    if not days or not all(type(day) is int and 0 <= day <= 6 for day in days):
        raise ScheduleError("weekdays", _("Choose at least one day of the week."))
    return tuple(sorted(set(days)))


def _day_of_month(raw: object) -> int | str:
    if raw == LAST:
        return LAST
    if type(raw) is int and 1 <= raw <= 31:
        return raw
    raise ScheduleError("day", _("Choose a day from 1 to 31, or the last day."))
