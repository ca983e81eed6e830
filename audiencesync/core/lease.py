"""A lease reserves a row for one worker until a timestamp, after which any worker may take it."""

from datetime import datetime, timedelta

from django.db.models import Q


def until(now: datetime, *, seconds: float) -> datetime:
    """Return when a lease ends that begins ``now``."""
    return now + timedelta(seconds=seconds)


def latest_end(now: datetime, *, seconds: float) -> datetime:
    """Return the latest plausible end of a lease of ``seconds``.

    The clocks of machines may differ by less than a lease. A later end was written by a wrong
    clock and would block the row for hours.
    """
    return now + timedelta(seconds=2 * seconds)


def is_expired(end: datetime | None, *, seconds: float, now: datetime) -> bool:
    """Return whether a lease that ends at ``end`` (None: no lease) has expired."""
    return end is None or end <= now or end > latest_end(now, seconds=seconds)


def expired_q(column: str, *, seconds: float, now: datetime) -> Q:
    """Return a condition: the lease, whose end is in ``column``, has expired. NULL: no match."""
    return Q(**{f"{column}__lte": now}) | Q(**{f"{column}__gt": latest_end(now, seconds=seconds)})


def free_q(column: str, *, seconds: float, now: datetime) -> Q:
    """Return a condition: the row has no lease (NULL), or an expired one."""
    return Q(**{column: None}) | expired_q(column, seconds=seconds, now=now)
