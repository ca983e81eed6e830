"""Times as programs write them: ISO 8601 and RFC 3339, and what clients of Braze send besides."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

LAST = datetime(
    9999, 12, 31, 23, 59, 59, tzinfo=UTC
)  # of the calendar; some offsets lead beyond it
_TIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[Tt ]+(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,:](?P<part>\d{1,9}))?)?"
    r"\s*(?P<zone>[Zz]|UTC|utc|GMT|gmt|(?P<sign>[+\- −])(?P<ahead>\d{1,2})(?::?(?P<more>\d\d))?)?)?",
    re.ASCII,
)


def read(text: str) -> datetime | None:
    """The moment in UTC, which it is if it names no zone; a day alone is its midnight. None if it is no time.

    A leap second (``:60``) is the second after it. The sign of an offset may be the blank that an address makes of ``+``.
    """
    found = _TIME.fullmatch(text.strip())
    try:
        if found is None:
            other = datetime.fromisoformat(text.strip()) if len(text.strip()) > 10 else None
            return other and (other.astimezone(UTC) if other.tzinfo else other.replace(tzinfo=UTC))
        day = datetime.fromisoformat(found["day"])
        return (_at(day, found) if found["hour"] else day.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return LAST if text.strip().startswith("9999") else None
    except ValueError:
        return None


def _at(day: datetime, found: re.Match[str]) -> datetime:
    """Raises ValueError or OverflowError."""
    second = int(found["second"] or 0)
    is_leap = second == 60
    micro = int((found["part"] or "0").ljust(6, "0")[:6])
    hour, minute = int(found["hour"]), int(found["minute"])
    at = day.replace(
        hour=hour,
        minute=minute,
        second=59 if is_leap else second,
        microsecond=0 if is_leap else micro,
    )
    return at.replace(tzinfo=_zone(found)) + timedelta(seconds=is_leap)


def _zone(found: re.Match[str]) -> timezone:
    if not found["ahead"]:
        return UTC
    minutes = int(found["ahead"]) * 60 + int(found["more"] or 0)
    if int(found["more"] or 0) > 59:
        raise ValueError("minutes")
    return timezone(timedelta(minutes=-minutes if found["sign"] in "-−" else minutes))
