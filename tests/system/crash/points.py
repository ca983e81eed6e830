"""Number the points at which a process can die: SQL statements, COMMITs and HTTP exchanges.

There is a point before each SQL statement, and before and after each COMMIT and HTTP exchange. A
lasting change begins a new epoch: a commit of a transaction that wrote, a write outside a
transaction, an exchange with the partner, or a write to a file. A write that matched no row does
not count. So all points of an epoch are alike: a death there leaves the same state behind, which
`--every-point` checks.
"""

import os
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from unittest.mock import patch

import psycopg
from django.db import connections

from partners.queue import flush
from partners.tiktok import client

FREEZE_STEP = 5  # every fifth point inside a transaction of PostgreSQL is struck
READ_ONLY = ("SELECT", "BEGIN", "PRAGMA", "SAVEPOINT", "RELEASE", "ROLLBACK TO", "SET LOCAL")


@dataclass(frozen=True)
class Point:
    """A place where a process can die or freeze; ``holds_lock``: it may hold locks there."""

    label: str
    epoch: int
    holds_lock: bool


def path_of(points: list[Point]) -> int:
    """Return a number that two processes share if both have passed exactly these points."""
    return zlib.crc32(repr([(point.label, point.epoch) for point in points]).encode())


def kill_classes(points: list[Point]) -> list[list[int]]:
    """Return the numbers of the points, grouped by epoch."""
    assert [point.epoch for point in points] == sorted(point.epoch for point in points)
    return _grouped(points, lambda at: points[at].epoch)


def freeze_classes(points: list[Point], *, one_writer: bool) -> list[list[int]]:
    """Return the numbers of the points, grouped into classes that are alike for a frozen process.

    Outside a transaction each statement is its own class, because a process that wakes goes on with
    the rows it has read before. Inside a transaction of SQLite no other process can write, so that
    its statements form one class (``one_writer``). On PostgreSQL others can write, so that a class
    has five statements.
    """
    classes: list[list[int]] = []
    for members in _grouped(
        points, lambda at: ("held", points[at].epoch) if points[at].holds_lock else at
    ):
        step = len(members) if one_writer else FREEZE_STEP
        classes += [members[first : first + step] for first in range(0, len(members), step)]
    return classes


def coarse_freeze_classes(points: list[Point]) -> list[list[int]]:
    """Return the numbers of the points, grouped by epoch and by whether a transaction is open.

    These classes are coarser than those of `freeze_classes`. They suffice on SQLite, because the
    same scenarios run with the finer ones on PostgreSQL.
    """
    return _grouped(points, lambda at: (points[at].epoch, points[at].holds_lock))


def _grouped(points: list[Point], key: Callable[[int], object]) -> list[list[int]]:
    return [list(members) for _key, members in groupby(range(len(points)), key=key)]


class Points:
    """Count the points of this process; at the point numbered ``at``, send it ``signal``.

    ``file`` is the one file that the process writes. ``send`` writes a report to the test.
    """

    def __init__(
        self, at: int | None, signal: int, send: Callable[[dict], None], file: Path | None = None
    ) -> None:
        self.at, self.signal, self.send, self.file = at, signal, send, file
        self.numbered: list[Point] = []
        self.n_changes = 0  # lasting changes so far: the number of the epoch
        self.size = self._size()  # of ``file`` at the last point
        self.lock = threading.Lock()
        self.connection = connections["default"]  # of this thread; other threads make calls only
        self.is_committing = False
        self.has_written = False  # in the open transaction

    def reach(self, label: str) -> None:
        """Count one more point; at the one numbered ``at``, report it and send the signal."""
        holds_lock = self.is_committing or self.connection.in_atomic_block
        with self.lock:
            n = len(self.numbered)
            size = self._size()
            self.n_changes += size != self.size
            self.size = size
            self.numbered.append(Point(label, self.n_changes, holds_lock))
        if n == self.at:
            path = path_of(self.numbered)
            self.send({"point": n, "label": label, "path": path})
            os.kill(os.getpid(), self.signal)

    def _size(self) -> int:
        return self.file.stat().st_size if self.file and self.file.exists() else 0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the database connection and the HTTP client of this process."""
        self.connection.ensure_connection()
        commit, fetch, copy = self.connection._commit, client.fetch, psycopg.Cursor.copy

        def committing():
            self.is_committing = True
            self.reach("before COMMIT")
            commit()
            self.n_changes += self.has_written
            self.is_committing = self.has_written = False
            self.reach("after COMMIT")

        def fetching(session, request, *, seconds):
            name = f"{request.method} {request.url.partition('v1.3/')[2]}"
            self.reach(f"before {name}")
            try:
                answer = fetch(session, request, seconds=seconds)
            finally:
                self.n_changes += 1  # the partner may have acted even if there is no answer
            self.reach(f"after {name}")
            return answer

        def copying(cursor, statement, *args, **kwargs):
            self.reach(f"before {statement[:70]}")
            self.has_written = True
            return copy(cursor, statement, *args, **kwargs)

        with (
            patch.object(self.connection, "_commit", committing),
            patch.object(psycopg.Cursor, "copy", copying),  # execute_wrappers do not see COPY
            patch.object(client, "fetch", fetching),
            self.connection.execute_wrapper(self._statement),
        ):
            yield

    def _statement(self, execute, sql, params, many, context):
        self.reach(f"before {' '.join(str(sql).split())[:70]}")
        result = execute(sql, params, many, context)
        if _writes(str(sql), context["cursor"]):
            if self.connection.in_atomic_block:
                self.has_written = True
            else:
                self.n_changes += 1
        return result


def _writes(sql: str, cursor) -> bool:
    """Return whether a statement may have written: it is not a read, and it matched a row."""
    if sql.lstrip().startswith(READ_ONLY):
        return False
    # SQLite counts the rows of RETURNING only when they are read.
    return cursor.rowcount != 0 or "RETURNING" in sql


class Inline(Executor):
    """Makes each call in the caller's thread, so that points come in the same order in each run."""

    def __init__(self, max_workers: int) -> None:
        """Accept the arguments of a thread pool; calls are made one at a time."""

    def submit(self, fn, /, *args, **kwargs):
        """Make the call; return a future that is done."""
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def make_calls_in_line() -> None:
    """Make HTTP calls in the thread that asks for them."""
    flush.ThreadPoolExecutor = Inline
