"""A time limit for database statements that a page can do without."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection, transaction

PROGRESS_STEPS = 20_000  # instructions of SQLite's virtual machine: well below a millisecond


class TooSlow(Exception):
    """The time limit was reached before the statement ended."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Limit the statements in the block to ``seconds`` together (on PostgreSQL: each).

    Raises TooSlow.
    """
    ends_at = time.monotonic() + seconds
    try:
        with (
            _limit_postgresql(seconds)
            if connection.vendor == "postgresql"
            else _limit_sqlite(ends_at)
        ):
            yield
    except OperationalError as error:
        if time.monotonic() < ends_at:
            raise
        raise TooSlow from error


@contextmanager
def _limit_postgresql(seconds: float) -> Iterator[None]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('statement_timeout', %s, true)",
                [str(max(1, int(seconds * 1000)))],
            )
        yield
        # Within a transaction of the caller, the limit would hold until that one ends.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout TO DEFAULT")


@contextmanager
def _limit_sqlite(ends_at: float) -> Iterator[None]:
    connection.ensure_connection()
    library = connection.connection
    library.set_progress_handler(lambda: time.monotonic() > ends_at, PROGRESS_STEPS)
    try:
        yield
    finally:
        library.set_progress_handler(None, 0)
