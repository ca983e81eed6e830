"""The request budget shared by every worker of every machine: send times are booked in one row by the database's clock."""

from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Greatest

from partners.base import Preset
from partners.models import Budget

HORIZON = 20.0
"""Seconds: nothing is booked further ahead."""
PARK_MAX_STEPS = 8
SECOND = 1_000_000

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
    """One limit of a partner: its row and its pace in requests per second."""

    key: str
    rate: float


def limit_of(preset: Preset, lane: str) -> Limit:
    """The limit that requests of ``lane`` (a remote advertiser id) count against, paced at 96 % of the preset's."""
    pace = settings.SYNC["requests_per_second"] / 50 * preset.requests_per_second
    if preset.per == "app":
        return Limit(f"app:{settings.TIKTOK_APP_ID}", pace)
    return Limit(f"lane:{lane}", pace)


def book(key: str, *, rate: float) -> float:
    """Book one send; answers the seconds to wait for it (HORIZON and more: come back later, nothing was booked)."""
    times = book_many(Limit(key, rate), 1)
    return times[0] if times else HORIZON


def book_many(limit: Limit, k: int) -> list[float]:
    """Book ``k`` sends in one statement; answers the seconds to wait for each, or nothing if that is too far ahead.

    A booked time that is not used just passes. After a throttle answer a single send is booked at a time.
    """
    if k <= 0:
        return []
    booked = _book(limit, k)
    if booked is None and Budget.objects.bulk_create([Budget(key=limit.key)], ignore_conflicts=True):
        booked = _book(limit, k)
    if booked is None:
        return _book_probe(limit)
    first, now = booked
    step = round(SECOND / limit.rate)
    return [max(0.0, (first + step * i - now) / SECOND) for i in range(k)]


def _book_probe(limit: Limit) -> list[float]:
    """While the partner asks us to slow down: one send when the park is over, the next once it went through or an
    interval later. Answers the seconds to wait for it, or nothing."""
    row, now = Budget.objects.filter(key=limit.key, throttles__gt=0).first(), now_us()
    if row is None or row.next_us > now or row.parked_us > now + round(HORIZON * SECOND):
        return []
    starts = max(row.parked_us, now)
    mine = Budget.objects.filter(pk=row.pk, next_us=row.next_us, parked_us=row.parked_us, throttles=row.throttles)
    if not mine.update(next_us=starts + round(throttle_seconds(row.throttles) * SECOND)):
        return []
    return [(starts - now) / SECOND]


def throttled(limit: Limit, *, sent_us: int, retry_after: float | None = None) -> None:
    """The partner answered "too frequent" to a request sent at ``sent_us``: park the limit 1, 2, 4 ... s, then 5 min.

    Several answers to requests that were under way together count once.
    """
    Budget.objects.bulk_create([Budget(key=limit.key)], ignore_conflicts=True)
    row = Budget.objects.filter(key=limit.key).first()
    if row is None or row.parked_us > sent_us:
        return
    seconds = retry_after or throttle_seconds(row.throttles)
    Budget.objects.filter(key=limit.key, parked_us=row.parked_us).update(
        parked_us=Greatest(F("parked_us"), Value(now_us() + round(seconds * SECOND))), throttles=F("throttles") + 1
    )


def throttled_lanes() -> dict[str, bool]:
    """Remote advertiser ids that the partner asked us to slow down in, and whether they are left alone for now."""
    now = now_us()
    rows = Budget.objects.filter(key__startswith="lane:", throttles__gt=0).values_list("key", "parked_us")
    return {key.removeprefix("lane:"): parked_us > now for key, parked_us in rows}


def succeeded(limit: Limit, lane: str) -> None:
    """A request went through: others may follow, and the next throttle answer starts again at one second."""
    Budget.objects.filter(key__in=[limit.key, f"lane:{lane}"], throttles__gt=0).update(throttles=0, next_us=0)


def throttle_seconds(times_before: int) -> float:
    """How long to park after one more throttle answer."""
    longest: float = settings.SYNC["throttle_park"]
    return min(float(2**times_before), longest) if times_before <= PARK_MAX_STEPS else longest


def now_us() -> int:
    """The database's clock in microseconds since 1970."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_NOW_US[connection.vendor]}")  # noqa: S608  # constants of this module
        return int(cursor.fetchone()[0])


def _book(limit: Limit, k: int) -> tuple[int, int] | None:
    """The first booked time and the clock, in microseconds."""
    length = k * round(SECOND / limit.rate)
    sql = _BOOK.format(table=Budget._meta.db_table, larger=_LARGER[connection.vendor], now=_NOW_US[connection.vendor])
    with connection.cursor() as cursor:
        cursor.execute(sql, [length, limit.key, round(HORIZON * SECOND), length])
        row = cursor.fetchone()
    return (int(row[0]), int(row[1])) if row else None
