"""A statement that may take only so long: what a page can do without, it does not wait for."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

LOOKED_AT_EVERY = 20_000  # instructions of SQLite's machine, well below a millisecond


class TooSlow(Exception):
    """The time was over before the answer was there."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Let the statements within take ``seconds`` together (PostgreSQL: each). Raises TooSlow."""
    ends_at = time.monotonic() + seconds
    try:
        with _postgresql(seconds) if connection.vendor == "postgresql" else _sqlite(ends_at):
            yield
    except OperationalError as error:
        if time.monotonic() < ends_at:
            raise
        raise TooSlow from error


@contextmanager
def _postgresql(seconds: float) -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true)",
                [str(max(1, int(seconds * 1000)))],
            )
        yield
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")


@contextmanager
def _sqlite(ends_at: float) -> Iterator[None]:
    connection.ensure_connection()
    library = connection.connection
    library.set_progress_handler(lambda: time.monotonic() > ends_at, LOOKED_AT_EVERY)
    try:
        yield
    finally:
        library.set_progress_handler(None, 0)
