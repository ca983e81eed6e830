"""A lease reserves a row for one worker until a timestamp, after which any worker may take it."""

from datetime import datetime, timedelta

from django.db.models import Q


def until(now: datetime, *, seconds: float) -> datetime:
    """Return when a lease ends that begins ``now``."""
    return now + timedelta(seconds=seconds)


def latest(now: datetime, *, seconds: float) -> datetime:
    """Return the latest end that is believed of a lease of ``seconds``.

    The clocks of machines may differ by less than a lease. A later end was written by a wrong
    clock and would block the row for hours.
    """
    return now + timedelta(seconds=2 * seconds)


def is_over(end: datetime | None, *, seconds: float, now: datetime) -> bool:
    """Return whether a lease that ends at ``end`` (None: there is none) no longer holds."""
    return end is None or end <= now or end > latest(now, seconds=seconds)


def over(column: str, *, seconds: float, now: datetime) -> Q:
    """Match rows with a lease that no longer holds; ``column`` has its end. NULL does not match."""
    return Q(**{f"{column}__lte": now}) | Q(**{f"{column}__gt": latest(now, seconds=seconds)})


def free(column: str, *, seconds: float, now: datetime) -> Q:
    """Match rows without a lease (NULL), or with one that no longer holds."""
    return Q(**{column: None}) | over(column, seconds=seconds, now=now)
