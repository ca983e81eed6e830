"""How long we go on trying, in words from the settings: no text promises another time than the engine keeps."""

from django.conf import settings
from django.utils.functional import Promise, lazy
from django.utils.translation import ngettext

MINUTE, HOUR, DAY = 60, 3600, 86400


def spell(seconds: float) -> str:
    """Return a duration in one unit, such as "13 hours": days from three on, hours from two on, else minutes."""
    if seconds >= 3 * DAY:
        n = round(seconds / DAY)
        return ngettext("%(n)s day", "%(n)s days", n) % {"n": n}
    if seconds >= 2 * HOUR:
        n = round(seconds / HOUR)
        return ngettext("%(n)s hour", "%(n)s hours", n) % {"n": n}
    n = max(1, round(seconds / MINUTE))
    return ngettext("%(n)s minute", "%(n)s minutes", n) % {"n": n}


def retry() -> str:
    """How long a person is tried for before they count as errored."""
    return spell(settings.SYNC["deadline"])


def removal() -> str:
    """How long a removal is tried for that an erasure or a withdrawn consent asks for."""
    return spell(settings.SYNC["erasure_deadline"])


def filled(text: Promise) -> str:
    """Return a lazy ``text`` that names ``%(patience)s``, filled when it is shown: for the words of a form."""
    return lazy(lambda: str(text) % {"patience": retry()}, str)()
