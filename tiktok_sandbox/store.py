"""The sandbox's own SQLite file: one connection, one lock, not safe against power cuts."""

import hashlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from threading import RLock
from typing import Any

SCHEMA = Path(__file__).with_name("schema.sql")
CLEAR = """
    DELETE FROM user; DELETE FROM advertiser; DELETE FROM access; DELETE FROM auth_code;
    DELETE FROM token; DELETE FROM audience; DELETE FROM mapping;
"""


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Store:
    """Usable from any thread; hold `lock` around several statements, and around a fork."""

    # One lock for all stores of a process: a fork during a statement would copy SQLite's own locks
    # into the child, where no thread releases them.
    lock = RLock()

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.executescript(
            "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=OFF;" + SCHEMA.read_text()
        )

    def all(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self.lock:
            return self.db.execute(sql, values).fetchall()

    def write(self, sql: str, *values: object) -> int:
        """Run a statement; return the number of changed rows."""
        with self.lock, self.db:
            return self.db.execute(sql, values).rowcount

    def write_many(self, sql: str, rows: Iterable[tuple[object, ...]]) -> None:
        with self.lock, self.db:
            self.db.executemany(sql, rows)

    def clear(self) -> None:
        with self.lock:
            self.db.executescript(CLEAR)

    def close(self) -> None:
        with self.lock:
            self.db.close()
