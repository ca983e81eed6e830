"""Numbers the points at which a process can die: before each SQL statement, around each COMMIT and HTTP exchange.

Points that leave the same behind are one epoch: nothing was committed, written outside a transaction, exchanged with the
partner or written to a file between them. Whoever dies in one leaves what whoever dies at any other of it leaves."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import psycopg
from django.db import connections

from partners.queue import flush
from partners.tiktok import client

FIFTH = 5
HARMLESS = ("SELECT", "BEGIN", "PRAGMA")  # outside a transaction


@dataclass(frozen=True)
class Point:
    """Where a process can die or be frozen, and whether it may hold locks there."""

    label: str
    epoch: int
    holds: bool


def killed_alike(points: list[Point]) -> list[list[int]]:
    """The numbers of the points, those of an epoch together."""
    assert [point.epoch for point in points] == sorted(point.epoch for point in points)
    return _together(points, lambda at: points[at].epoch)


def frozen_alike(points: list[Point], one_writer: bool) -> list[list[int]]:
    """Whoever is frozen goes on with what it has read, so that each statement outside a transaction counts on its own.

    Inside a transaction of SQLite nobody else can write meanwhile: there they count together. On PostgreSQL others can:
    there every fifth statement and the last are struck, and each by `--every-point`.
    """
    alike: list[list[int]] = []
    for members in _together(
        points, lambda at: ("held", points[at].epoch) if points[at].holds else at
    ):
        step = len(members) if one_writer else FIFTH
        alike += [members[first : first + step] for first in range(0, len(members), step)]
    return alike


def _together(points: list[Point], key: Callable[[int], object]) -> list[list[int]]:
    return [list(members) for _key, members in groupby(range(len(points)), key=key)]


class Points:
    """Counts the points of this process and sends itself ``signal`` at the one numbered ``at``.

    ``file`` is what the process writes beside the database.
    """

    def __init__(
        self, at: int | None, signal: int, tell: Callable[[dict], None], file: Path | None = None
    ) -> None:
        self.at, self.signal, self.tell, self.file = at, signal, tell, file
        self.found: list[Point] = []
        self.changes = 0  # that outlive this process
        self.size = self._size()
        self.lock = threading.Lock()
        self.watched = connections["default"]  # this thread's; calls are made by others
        self.commits = False

    def reach(self, label: str) -> None:
        """One more point. What is told tells, too, whether a transaction holds locks there."""
        holds = self.commits or self.watched.in_atomic_block
        with self.lock:
            n = len(self.found)
            self.changes, self.size = self.changes + (self._size() != self.size), self._size()
            self.found.append(Point(label, self.changes, holds))
        if n == self.at:
            self.tell({"point": n, "label": label, "holds": holds})
            os.kill(os.getpid(), self.signal)

    def _size(self) -> int:
        return self.file.stat().st_size if self.file and self.file.exists() else 0

    def install(self) -> None:
        """Watch the connection and the client of this process, for as long as it lives."""
        self.watched.ensure_connection()
        self.watched.execute_wrappers.append(self._statement)
        commit, fetch, copy = self.watched._commit, client.fetch, psycopg.Cursor.copy

        def committing():
            self.commits = True
            self.reach("before COMMIT")
            commit()
            self.changes += 1
            self.commits = False
            self.reach("after COMMIT")

        def fetching(session, request, *, seconds):
            name = f"{request.method} {request.url.partition('v1.3/')[2]}"
            self.reach(f"before {name}")
            answer = fetch(session, request, seconds=seconds)
            self.changes += 1
            self.reach(f"after {name}")
            return answer

        def copying(cursor, statement, *args, **kwargs):
            self.reach(f"before {statement[:70]}")
            return copy(cursor, statement, *args, **kwargs)

        self.watched._commit = committing
        psycopg.Cursor.copy = copying  # which no wrapper of Django's sees
        client.fetch = fetching

    def _statement(self, execute, sql, params, many, context):
        self.reach(f"before {' '.join(str(sql).split())[:70]}")
        result = execute(sql, params, many, context)
        self.changes += not (self.watched.in_atomic_block or str(sql).startswith(HARMLESS))
        return result


class Inline(Executor):
    """Makes the call at once, in the caller's thread: the order of the points is the same in every run."""

    def __init__(self, max_workers: int) -> None:
        """As many at once as you like: one."""

    def submit(self, fn, /, *args, **kwargs):
        """A future that is done."""
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def make_calls_in_line() -> None:
    """HTTP happens where it is asked for, not in a thread beside it."""
    flush.ThreadPoolExecutor = Inline
