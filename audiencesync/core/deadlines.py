"""Deadlines of the settings, also in words, so that texts name the time that is in force."""

from datetime import timedelta

from django.conf import settings
from django.utils.functional import Promise, lazy
from django.utils.translation import ngettext

MINUTE, HOUR, DAY = 60, 3600, 86400
DEFAULT_HOURS = 13
"""The retry window of deliveries by default, in hours."""
DOUBLE_SUBMIT_WINDOW = timedelta(seconds=30)
"""The same request to create something, repeated within this time, is a form submitted twice."""


def in_words(seconds: float) -> str:
    """Return a duration in one unit: days if at least 3, hours if at least 2, else minutes."""
    if seconds >= 3 * DAY:
        n = round(seconds / DAY)
        return ngettext("%(n)s day", "%(n)s days", n) % {"n": n}
    if seconds >= 2 * HOUR:
        n = round(seconds / HOUR)
        return ngettext("%(n)s hour", "%(n)s hours", n) % {"n": n}
    n = max(1, round(seconds / MINUTE))
    return ngettext("%(n)s minute", "%(n)s minutes", n) % {"n": n}


def delivery_text() -> str:
    """Return in words how long a delivery is retried before the profile counts as errored."""
    return in_words(settings.SYNC.deadline)


def share_of_delivery(hours: int) -> timedelta:
    """Return ``hours`` scaled with the retry window: unchanged if the window has its default."""
    return timedelta(seconds=settings.SYNC.deadline) * hours / DEFAULT_HOURS


def removal_text() -> str:
    """Return in words how long a removal after an erasure or a withdrawn consent is retried."""
    return in_words(settings.SYNC.erasure_deadline)


def with_retry_time(text: Promise) -> str:
    """Return the lazy ``text`` with ``%(retry_time)s`` filled in when it is rendered."""
    return lazy(lambda: str(text) % {"retry_time": delivery_text()}, str)()
