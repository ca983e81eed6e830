"""Where an act comes from: the IP address behind the request that is being answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _nowhere() -> str | None:
    return None


_find: ContextVar[Callable[[], str | None]] = ContextVar("origin", default=_nowhere)


def address() -> str | None:
    """Return the IP address, or None for the engine, commands and tasks."""
    return _find.get()()


@contextmanager
def found_by(find: Callable[[], str | None]) -> Iterator[None]:
    """Let ``find`` return the address while the block runs; it is called only when needed."""
    token = _find.set(find)
    try:
        yield
    finally:
        _find.reset(token)
