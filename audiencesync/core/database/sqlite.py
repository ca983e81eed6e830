"""Puts a SQLite without the WAL-reset race (fixed in 3.51.3) under Django, where a wheel with one is installed."""

import sys
from importlib import import_module
from importlib.util import find_spec

from django.db import connection

SAFE_WAL = (3, 51, 3)


def install() -> None:
    """Let ``import sqlite3`` mean pysqlite3 if that wheel is here. Call before Django loads a database backend."""
    if find_spec("pysqlite3") is not None:
        sys.modules["sqlite3"] = import_module("pysqlite3")
        sys.modules["sqlite3.dbapi2"] = import_module("pysqlite3.dbapi2")


def version() -> tuple[int, ...]:
    """The SQLite library in use, such as (3, 53, 4)."""
    info: tuple[int, ...] = import_module("sqlite3").sqlite_version_info
    return info


def journal_mode() -> str:
    """WAL where the library is safe with several connections, else the rollback journal."""
    return "WAL" if version() >= SAFE_WAL else "DELETE"


def empty_wal() -> None:
    """Write what the log beside the file holds into the file and cut the log: erased values must not stay readable in it.

    Whatever reads or writes just then keeps it as it is; the next call tries again. PostgreSQL: nothing to do.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (patience,) = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout=100")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            cursor.execute(f"PRAGMA busy_timeout={int(patience)}")
