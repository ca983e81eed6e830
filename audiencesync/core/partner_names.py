"""The names of the ad partners, for texts of packages that do not import partners."""

from collections.abc import Callable

from django.utils.functional import Promise, lazy

# Empty, or the one function that is set.
_sources: list[Callable[[], str]] = []


def provide(source: Callable[[], str]) -> None:
    """Set the function that returns the names; the app of the partners calls this once."""
    _sources[:] = [source]


def names() -> str:
    """Return the labels of all partners as one text."""
    return _sources[0]() if _sources else ""


def fill(text: Promise | str) -> str:
    """Return the lazy ``text`` with ``%(partner)s`` filled in when it is rendered."""
    return lazy(lambda: str(text) % {"partner": names()}, str)()
