"""The IP address behind the request that is being answered, for the activity log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


def _no_address() -> str | None:
    return None


_find: ContextVar[Callable[[], str | None]] = ContextVar("origin", default=_no_address)


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
