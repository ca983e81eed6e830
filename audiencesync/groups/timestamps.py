"""Parses timestamps of ISO 8601, RFC 3339 and the further forms that clients of Braze send."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

# The last second of the calendar; an offset can move a timestamp beyond it.
LATEST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_TIMESTAMP = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[Tt ]+(?P<hour>\d\d):(?P<minute>\d\d)"
    r"(?::(?P<second>\d\d)(?:[.,:](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<zone>[Zz]|UTC|utc|GMT|gmt"
    r"|(?P<sign>[+\- −])(?P<offset_hours>\d{1,2})(?::?(?P<offset_minutes>\d\d))?)?)?",
    re.ASCII,
)


def parse(text: str) -> datetime | None:
    """Return the timestamp in UTC, or None if it is malformed.

    Without a zone it is read as UTC, a day alone as its midnight, a leap second (``:60``) as the
    next second.
    """
    match = _TIMESTAMP.fullmatch(text.strip())
    try:
        if match is None:
            # Further forms of ISO 8601. A short text such as 20261123 could be a number, no day.
            at = datetime.fromisoformat(text.strip()) if len(text.strip()) > 10 else None
            return at and (at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))
        day = datetime.fromisoformat(match["day"])
        return (_at(day, match) if match["hour"] else day.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        return LATEST if text.strip().startswith("9999") else None
    except ValueError:
        return None


def _at(day: datetime, match: re.Match[str]) -> datetime:
    """Add time and zone to the day. Raises ValueError or OverflowError."""
    second = int(match["second"] or 0)
    is_leap = second == 60
    micro = int((match["fraction"] or "0").ljust(6, "0")[:6])
    at = day.replace(
        hour=int(match["hour"]),
        minute=int(match["minute"]),
        second=59 if is_leap else second,
        microsecond=0 if is_leap else micro,
    )
    return at.replace(tzinfo=_zone(match)) + timedelta(seconds=is_leap)


def _zone(match: re.Match[str]) -> timezone:
    if not match["offset_hours"]:
        return UTC
    minutes = int(match["offset_hours"]) * 60 + int(match["offset_minutes"] or 0)
    if int(match["offset_minutes"] or 0) > 59:
        raise ValueError("minutes")
    # The sign may be a blank: in a query string "+" means a blank.
    return timezone(timedelta(minutes=-minutes if match["sign"] in "-−" else minutes))
