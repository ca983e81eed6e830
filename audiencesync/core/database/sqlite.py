"""SQLite: choose the library and its journal mode; empty the write-ahead log (WAL).

pysqlite3 is used if it is installed, because SQLite before 3.51.3 has a race that can damage the
database when the WAL is reset.
"""

import sys
from importlib import import_module
from importlib.util import find_spec

from django.db import connection

SAFE_WAL = (3, 51, 3)
HAS_JSON = (3, 38)  # since then, JSON is built in by default


def install() -> None:
    """Make ``import sqlite3`` return pysqlite3. Call before Django loads a database backend."""
    if find_spec("pysqlite3") is not None:
        sys.modules["sqlite3"] = import_module("pysqlite3")
        sys.modules["sqlite3.dbapi2"] = import_module("pysqlite3.dbapi2")


def version() -> tuple[int, ...]:
    """Return the version of the SQLite library in use, such as (3, 53, 4)."""
    info: tuple[int, ...] = import_module("sqlite3").sqlite_version_info
    return info


def journal_mode() -> str:
    """Return WAL if the library is safe for it, else DELETE, the mode of the rollback journal."""
    return "WAL" if version() >= SAFE_WAL else "DELETE"


def expect_json() -> None:
    """Set Django's flag that SQLite has JSON, so that Django does not test it.

    Its test takes the error "database is locked" for a missing feature: `migrate` would end with
    the error fields.E180 while another process migrates for more than 20 s.
    """
    if connection.vendor == "sqlite" and version() >= HAS_JSON:
        connection.features_class.supports_json_field = True


def empty_wal() -> None:
    """Write the WAL file into the database and truncate it. Does nothing on PostgreSQL.

    Erased values must not stay readable in it. While another connection reads or writes, SQLite
    leaves the WAL as it is; the next call tries again.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (timeout_ms,) = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout=100")
        try:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            cursor.execute(f"PRAGMA busy_timeout={int(timeout_ms)}")
