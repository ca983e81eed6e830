"""The request budget that all workers of all machines share.

Send times are booked in one row per rate limit, by the clock of the database. Durations are in
seconds; times in the rows are microseconds since 1970 (``..._us``).

Throttled: the last answer was "too many requests". The limit is parked (nothing is sent) for a
time that doubles with each such answer, then requests are tried one at a time until one succeeds.
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
"""Seconds: the partner's client cuts longer values of Retry-After."""
LONGEST_PAUSE = 60.0
"""Seconds between a park and the next throttle answer that count as locked out, at most.

A longer gap means that the engine was off.
"""
MAX_DOUBLINGS = 8
"""After more throttle answers in a row, each park has the full length (SYNC.throttle_park)."""
SECOND = 1_000_000  # the microseconds of one second
_LANE = "lane:"

_NOW_US = {
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
}
_LARGER = {"sqlite": "MAX", "postgresql": "GREATEST"}
# Moves the next free time of a limit on, and returns the first booked time and the present.
_BOOK = """
UPDATE {table} SET next_us = {larger}(next_us, parked_us, {now}) + %s
WHERE key = %s AND throttles = 0 AND {larger}(next_us, parked_us) <= {now} + %s
RETURNING next_us - %s, {now}
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """One rate limit of a partner: the key of its row, and its requests per second."""

    key: str
    rate: float

    @property
    def lane(self) -> str:
        """Return its lane (AdAccount.lane), or "" if it is the limit of the developer app."""
        return self.key.removeprefix(_LANE) if self.key.startswith(_LANE) else ""


def lane_key(lane: str) -> str:
    """Return the key of the limit of a lane (AdAccount.lane)."""
    return f"{_LANE}{lane}"


def app_key(partner: Partner) -> str:
    """Return the key of the limit that all requests of a developer app share."""
    return f"app:{partner.key}:{partner.app_key}"


def limit_of(partner: Partner, lane: str) -> Limit:
    """Return the limit that requests of a lane count against."""
    preset = partner.preset
    # SYNC_REQUESTS_PER_SECOND refers to a preset of 50: its default of 48 is 96 % of each preset.
    rate = settings.SYNC.requests_per_second / 50 * preset.requests_per_second
    return Limit(app_key(partner) if preset.per == "app" else lane_key(lane), rate)


def book(key: str, *, rate: float) -> float:
    """Book one send and return the seconds to wait for it; HORIZON if none could be booked."""
    waits = book_many(Limit(key, rate), 1)
    return waits[0] if waits else HORIZON


def book_many(limit: Limit, n: int, *, within: float = HORIZON) -> list[float]:
    """Book up to ``n`` sends in one statement and return the seconds to wait for each.

    Only sends within the next ``within`` seconds are booked: perhaps fewer than ``n``, or none. A
    booked time that is not used is lost. After a throttle answer, sends are booked one at a time.
    """
    within = min(HORIZON, within)
    n = min(n, 1 + int(within * limit.rate))
    if n <= 0:
        return []
    horizon = round(within * SECOND)
    booked = _book(limit, n, horizon)
    # The row is missing, has impossible times, is throttled, or is booked up to the horizon.
    if booked is None and (_make_row(limit) or _correct_clock(limit)):
        booked = _book(limit, n, horizon)
    if booked is None:
        return _book_single(limit, horizon)
    first, now = booked
    interval = round(SECOND / limit.rate)
    return [max(0.0, (first + interval * i - now) / SECOND) for i in range(n)]


def _make_row(limit: Limit) -> bool:
    """Make the row of a limit if there is none. Return whether there was none."""
    if Budget.objects.filter(key=limit.key).exists():
        return False
    Budget.objects.bulk_create([Budget(key=limit.key)], ignore_conflicts=True)
    return True


def _correct_clock(limit: Limit) -> bool:
    """Reset times written by a wrong clock of the database. Return whether there were any.

    Such times lie further ahead than any that a booking can write.
    """
    now = now_us()
    latest = _latest_park(now)
    latest_free = now + round((2 * HORIZON + 1 / limit.rate) * SECOND)
    wrong_next = Q(throttles=0, next_us__gt=latest_free) | Q(throttles__gt=0, next_us__gt=latest)
    wrong = Budget.objects.filter(wrong_next | Q(parked_us__gt=latest), key=limit.key)
    return bool(wrong.update(next_us=0, parked_us=0))


def _latest_park(now: int) -> int:
    """Return the latest end of a park that begins ``now``, in microseconds since 1970."""
    longest: float = settings.SYNC.throttle_park + LONGEST_RETRY_AFTER
    return now + round(longest * SECOND)


def _book_single(limit: Limit, horizon: int) -> list[float]:
    """Book the single send that a throttled limit allows, for the end of its park.

    The next one can be booked once this one has succeeded; without an answer, after another park.
    Return the seconds to wait, or nothing.
    """
    row, now = Budget.objects.filter(key=limit.key, throttles__gt=0).first(), now_us()
    if row is None or row.next_us > now or row.parked_us > now + horizon:
        return []
    starts = max(row.parked_us, now)
    unchanged = Budget.objects.filter(
        pk=row.pk, next_us=row.next_us, parked_us=row.parked_us, throttles=row.throttles
    )
    if not unchanged.update(next_us=starts + round(throttle_seconds(row.throttles) * SECOND)):
        return []
    return [(starts - now) / SECOND]


def record_throttle(limit: Limit, *, sent_us: int, retry_after: float | None = None) -> float:
    """Park a limit after a throttle answer to a request sent at ``sent_us``: 1, 2, 4 ... s, 5 min.

    Several answers to requests that were in flight together count once. Return the seconds for
    which a daily limit has locked us out since the previous answer, or 0.
    """
    Budget.objects.bulk_create([Budget(key=limit.key)], ignore_conflicts=True)
    row, now = Budget.objects.filter(key=limit.key).first(), now_us()
    # A request sent before the end of the park was in flight when an earlier answer began it.
    if row is None or sent_us < row.parked_us <= _latest_park(now):
        return 0.0
    seconds = retry_after or throttle_seconds(row.throttles)
    parked = Budget.objects.filter(key=limit.key, parked_us=row.parked_us).update(
        parked_us=now + round(seconds * SECOND), throttles=F("throttles") + 1
    )
    return _seconds_locked_out(row, now) if parked else 0.0


def _seconds_locked_out(row: Budget, now: int) -> float:
    """Return the seconds lost to a daily limit since the previous answer; 0 for another limit.

    The partner does not say which limit was hit. Only a daily limit outlasts the longest park, so a
    throttle answer after such a park shows a daily limit. ``row``: as it was before the answer.
    """
    longest: float = settings.SYNC.throttle_park
    if not row.throttles or throttle_seconds(row.throttles - 1) < longest:
        return 0.0
    seconds = (now - row.parked_us) / SECOND + longest
    return max(0.0, min(seconds, longest + LONGEST_PAUSE))


def throttled_lanes() -> dict[str, bool]:
    """Return throttled lane -> whether it is parked now."""
    now = now_us()
    rows = Budget.objects.filter(key__startswith=_LANE, throttles__gt=0).values_list(
        "key", "parked_us"
    )
    return {
        key.removeprefix(_LANE): now < parked_us <= _latest_park(now) for key, parked_us in rows
    }


def parked_limits() -> dict[str, bool]:
    """Return key -> whether it may be a daily limit, of the limits that are parked now."""
    now = now_us()
    rows = Budget.objects.filter(
        throttles__gt=0, parked_us__gt=now, parked_us__lte=_latest_park(now)
    )
    longest: float = settings.SYNC.throttle_park
    return {row.key: throttle_seconds(row.throttles - 1) >= longest for row in rows}


@dataclass(frozen=True, slots=True)
class NextTry:
    """When the next request of a throttled limit is tried; whether it may be a daily limit."""

    at: datetime
    is_daily: bool


def next_tries(keys: Iterable[str]) -> dict[str, NextTry]:
    """Return key -> when the next request is tried, of those limits that are throttled."""
    rows = list(Budget.objects.filter(key__in=list(keys), throttles__gt=0))
    if not rows:
        return {}
    latest, longest = _latest_park(now_us()), settings.SYNC.throttle_park
    tries = {}
    for row in rows:
        at = max(us for us in (row.parked_us, row.next_us, 0) if us <= latest)
        is_daily = throttle_seconds(row.throttles - 1) >= longest
        tries[row.key] = NextTry(datetime.fromtimestamp(at / SECOND, UTC), is_daily)
    return tries


def next_try(keys: Iterable[str]) -> NextTry | None:
    """Return the latest of the next tries of these limits; None if none of them is throttled."""
    tries = list(next_tries(keys).values())
    if not tries:
        return None
    # A request of the lane needs all of these limits.
    return NextTry(max(each.at for each in tries), any(each.is_daily for each in tries))


def end_throttle(limit: Limit, lane: str) -> None:
    """End the throttling of a limit and of a lane after a request succeeded."""
    Budget.objects.filter(key__in=[limit.key, lane_key(lane)], throttles__gt=0).update(
        throttles=0, next_us=0
    )


def throttle_seconds(n_before: int) -> float:
    """Return how many seconds to park after a throttle answer that follows ``n_before`` others."""
    longest: float = settings.SYNC.throttle_park
    return min(float(2**n_before), longest) if n_before <= MAX_DOUBLINGS else longest


def now_us() -> int:
    """Return the time of the database in microseconds since 1970."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_NOW_US[connection.vendor]}")  # constants of this module
        return int(cursor.fetchone()[0])


def _book(limit: Limit, n: int, horizon: int) -> tuple[int, int] | None:
    """Return the first booked time and the present time; None if nothing could be booked."""
    length = n * round(SECOND / limit.rate)
    sql = _BOOK.format(
        table=Budget._meta.db_table,
        larger=_LARGER[connection.vendor],
        now=_NOW_US[connection.vendor],
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [length, limit.key, horizon, length])
        row = cursor.fetchone()
    return (int(row[0]), int(row[1])) if row else None
