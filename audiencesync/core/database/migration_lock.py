"""One process at a time changes the tables of a database, however many are started at once."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

NUMBER = 0x41534D << 32  # a number of our own among PostgreSQL's advisory locks


@contextmanager
def hold(alias: str, *, wait: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Wait for the lock of a database and keep it. ``wait`` is called once if another process has it."""
    connection = connections[alias]
    if connection.vendor == "postgresql":
        with _advisory(connection, wait):
            yield
    elif (
        connection.vendor == "sqlite"
        and (name := str(connection.settings_dict["NAME"]))
        and ":memory:" not in name
    ):
        with _file(f"{name}.migrate", wait):
            yield
    else:
        yield


@contextmanager
def _advisory(connection: BaseDatabaseWrapper, wait: Callable[[], object]) -> Iterator[None]:
    """Hold it in a session of its own: commands may close the connection they work with."""
    own = connection.copy()
    try:
        with own.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [NUMBER])
            if not cursor.fetchone()[0]:
                wait()
                cursor.execute("SELECT pg_advisory_lock(%s)", [NUMBER])
            yield
    finally:
        own.close()  # ends the session, and with it the lock


@contextmanager
def _file(path: str, wait: Callable[[], object]) -> Iterator[None]:
    with open(path, "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
