"""The request budget that all workers of all machines share.

Send times are booked in one row per limit, by the clock of the database. Times are in seconds,
but microseconds since 1970 in the rows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db import connection
from django.db.models import F, Q

from partners.base import Partner
from partners.models import Budget

HORIZON = 20.0
"""Seconds: no send is booked further ahead."""
LONGEST_RETRY_AFTER = 3600.0
LONGEST_PAUSE = 60.0
"""Seconds from the end of a park to the next answer. After a longer pause, the engine was off."""
PARK_MAX_STEPS = 8
SECOND = 1_000_000
_LANE = "lane:"

_NOW_US = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}
_LARGER = {"sqlite": "MAX", "postgresql": "GREATEST"}
_BOOK = """
UPDATE {table} SET next_us = {larger}(next_us, parked_us, {now}) + %s
WHERE key = %s AND throttles = 0 AND {larger}(next_us, parked_us) <= {now} + %s
RETURNING next_us - %s, {now}
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a partner: the key of its row, and its pace in requests per second."""

    key: str
    rate: float

    @property
    def lane(self) -> str:
        """The lane (AdAccount.lane) that it is about, or nothing if it is about the app."""
        return self.key.removeprefix(_LANE) if self.key.startswith(_LANE) else ""


def lane_key(lane: str) -> str:
    """Return the key of the limit of a lane (AdAccount.lane)."""
    return f"{_LANE}{lane}"


def app_key(partner: Partner) -> str:
    """Return the key of the limit that all requests of a developer app share."""
    return f"app:{partner.key}:{partner.app_key}"


def limit_of(partner: Partner, lane: str) -> Limit:
    """Return the limit that requests of a lane count against, at 96 % of the preset's pace."""
    preset = partner.preset
    pace = settings.SYNC.requests_per_second / 50 * preset.requests_per_second
    return Limit(app_key(partner) if preset.per == "app" else lane_key(lane), pace)


def book(key: str, *, rate: float) -> float:
    """Book one send and return the seconds to wait for it; HORIZON: no send was booked."""
    times = book_many(Limit(key, rate), 1)
    return times[0] if times else HORIZON


def book_many(limit: Limit, k: int, *, within: float = HORIZON) -> list[float]:
    """Book ``k`` sends in one statement and return the seconds to wait for each.

    Return nothing if the first would be further ahead than ``within``. A booked time that is not
    used just passes. After a throttle answer, sends are booked one at a time.
    """
    if k <= 0:
        return []
    horizon = round(min(HORIZON, within) * SECOND)
    booked = _book(limit, k, horizon)
    if booked is None and (_make_row(limit) or _correct_clock(limit)):
        booked = _book(limit, k, horizon)
    if booked is None:
        return _book_probe(limit, horizon)
    first, now = booked
    step = round(SECOND / limit.rate)
    return [max(0.0, (first + step * i - now) / SECOND) for i in range(k)]


def _make_row(limit: Limit) -> bool:
    """Make the row of a limit if there is none. Return whether there was none."""
    if Budget.objects.filter(key=limit.key).exists():
        return False
    Budget.objects.bulk_create([Budget(key=limit.key)], ignore_conflicts=True)
    return True


def _correct_clock(limit: Limit) -> bool:
    """Reset times that a wrong clock of the database wrote. Return whether there were any.

    They lie further ahead than any send that is booked.
    """
    now = now_us()
    too_late = Q(throttles=0, next_us__gt=now + round(2 * HORIZON * SECOND)) | Q(
        next_us__gt=_latest(now)
    )
    wrong = Budget.objects.filter(too_late | Q(parked_us__gt=_latest(now)), key=limit.key)
    return bool(wrong.update(next_us=0, parked_us=0))


def _latest(now: int) -> int:
    """Return the latest time of a park or a probe, in microseconds."""
    longest: float = settings.SYNC.throttle_park + LONGEST_RETRY_AFTER
    return now + round(longest * SECOND)


def _book_probe(limit: Limit, horizon: int) -> list[float]:
    """Book a single send while the limit is throttled: when the park is over.

    The next one follows when it went through, or an interval later. Return the seconds to wait,
    or nothing.
    """
    row, now = Budget.objects.filter(key=limit.key, throttles__gt=0).first(), now_us()
    if row is None or row.next_us > now or row.parked_us > now + horizon:
        return []
    starts = max(row.parked_us, now)
    mine = Budget.objects.filter(
        pk=row.pk, next_us=row.next_us, parked_us=row.parked_us, throttles=row.throttles
    )
    if not mine.update(next_us=starts + round(throttle_seconds(row.throttles) * SECOND)):
        return []
    return [(starts - now) / SECOND]


def throttled(limit: Limit, *, sent_us: int, retry_after: float | None = None) -> float:
    """Park a limit after a throttle answer to a request sent at ``sent_us``: 1, 2, 4 ... s, 5 min.

    Several answers to requests that were in flight together count once. Return for how many
    seconds a daily limit has locked us out since the answer before.
    """
    Budget.objects.bulk_create([Budget(key=limit.key)], ignore_conflicts=True)
    row, now = Budget.objects.filter(key=limit.key).first(), now_us()
    if row is None or sent_us < row.parked_us <= _latest(now):
        return 0.0
    seconds = retry_after or throttle_seconds(row.throttles)
    parked = Budget.objects.filter(key=limit.key, parked_us=row.parked_us).update(
        parked_us=now + round(seconds * SECOND), throttles=F("throttles") + 1
    )
    return _locked_out(row, now) if parked else 0.0


def _locked_out(row: Budget, now: int) -> float:
    """Return the seconds of a daily limit since the answer before, or 0 for another limit.

    The partner does not say which limit was hit. All but the daily one are over after the
    longest park.
    """
    longest: float = settings.SYNC.throttle_park
    if not row.throttles or throttle_seconds(row.throttles - 1) < longest:
        return 0.0
    since = (now - row.parked_us) / SECOND + longest
    return max(0.0, min(since, longest + LONGEST_PAUSE))


def throttled_lanes() -> dict[str, bool]:
    """Return lane -> whether it is parked now, of the lanes with throttle answers."""
    now = now_us()
    rows = Budget.objects.filter(key__startswith=_LANE, throttles__gt=0).values_list(
        "key", "parked_us"
    )
    return {key.removeprefix(_LANE): now < parked_us <= _latest(now) for key, parked_us in rows}


def parked_now() -> dict[str, bool]:
    """Return key -> whether it may be a daily limit, of the limits that are parked now."""
    now = now_us()
    rows = Budget.objects.filter(throttles__gt=0, parked_us__gt=now, parked_us__lte=_latest(now))
    longest: float = settings.SYNC.throttle_park
    return {row.key: throttle_seconds(row.throttles - 1) >= longest for row in rows}


@dataclass(frozen=True, slots=True)
class Slow:
    """A throttled limit: when the next request is tried, and whether it may be a daily limit."""

    at: datetime
    is_daily: bool


def next_tries(keys: Iterable[str]) -> dict[str, Slow]:
    """Return key -> when the next request is tried, of those limits that are throttled."""
    rows = list(Budget.objects.filter(key__in=list(keys), throttles__gt=0))
    if not rows:
        return {}
    latest, longest = _latest(now_us()), settings.SYNC.throttle_park
    found = {}
    for row in rows:
        at = max(us for us in (row.parked_us, row.next_us, 0) if us <= latest)
        is_daily = throttle_seconds(row.throttles - 1) >= longest
        found[row.key] = Slow(datetime.fromtimestamp(at / SECOND, UTC), is_daily)
    return found


def next_try(keys: Iterable[str]) -> Slow | None:
    """Return the latest of the next tries of these limits; None if none of them is throttled."""
    tries = list(next_tries(keys).values())
    if not tries:
        return None
    return Slow(max(one.at for one in tries), any(one.is_daily for one in tries))


def succeeded(limit: Limit, lane: str) -> None:
    """End the throttling of a limit after a request went through."""
    Budget.objects.filter(key__in=[limit.key, lane_key(lane)], throttles__gt=0).update(
        throttles=0, next_us=0
    )


def throttle_seconds(times_before: int) -> float:
    """Return how long to park after one more throttle answer."""
    longest: float = settings.SYNC.throttle_park
    return min(float(2**times_before), longest) if times_before <= PARK_MAX_STEPS else longest


def now_us() -> int:
    """Return the time of the database in microseconds since 1970."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_NOW_US[connection.vendor]}")  # constants of this module
        return int(cursor.fetchone()[0])


def _book(limit: Limit, k: int, horizon: int) -> tuple[int, int] | None:
    """Return the first booked time and the present time, in microseconds."""
    length = k * round(SECOND / limit.rate)
    sql = _BOOK.format(
        table=Budget._meta.db_table,
        larger=_LARGER[connection.vendor],
        now=_NOW_US[connection.vendor],
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [length, limit.key, horizon, length])
        row = cursor.fetchone()
    return (int(row[0]), int(row[1])) if row else None
