"""A lock that lets one process at a time migrate a database."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

LOCK_ID = 0x41534D << 32  # our advisory lock in PostgreSQL


@contextmanager
def hold(alias: str, *, on_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Hold the lock during the block. ``on_wait`` is called once if another process has it."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with _hold_advisory_lock(connection, on_wait):
            yield
    elif (  # a database in memory belongs to one process: no lock
        connection.vendor == "sqlite"
        and (name := str(connection.settings_dict["NAME"]))
        and ":memory:" not in name
    ):
        with _hold_file_lock(f"{name}.migrate", on_wait):
            yield
    else:
        yield


@contextmanager
def _hold_advisory_lock(
    connection: BaseDatabaseWrapper, on_wait: Callable[[], object]
) -> Iterator[None]:
    # The lock has a session of its own, because commands may close the connection they use.
    session = connection.copy()
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_ID])
            if not cursor.fetchone()[0]:
                on_wait()
                cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_ID])
            yield
    finally:
        session.close()  # ends the session, and with it the lock


@contextmanager
def _hold_file_lock(path: str, on_wait: Callable[[], object]) -> Iterator[None]:
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
