"""Numbers the points at which a process can die: before each SQL statement, around each COMMIT and HTTP exchange."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future

import psycopg
from django.db import connections

from partners import flush
from partners.tiktok import client


class Points:
    """Counts the points of this process and sends itself ``signal`` at the one numbered ``at``."""

    def __init__(self, at: int | None, signal: int, tell: Callable[[dict], None]) -> None:
        self.at, self.signal, self.tell = at, signal, tell
        self.labels: list[str] = []
        self.lock = threading.Lock()
        self.watched = connections["default"]  # this thread's; calls are made by others
        self.commits = False

    def reach(self, label: str) -> None:
        """One more point. What is told tells, too, whether a transaction holds locks there."""
        with self.lock:
            n = len(self.labels)
            self.labels.append(label)
        if n == self.at:
            self.tell({"point": n, "label": label, "holds": self.commits or self.watched.in_atomic_block})
            os.kill(os.getpid(), self.signal)

    def install(self) -> None:
        """Watch the connection and the client of this process, for as long as it lives."""
        self.watched.ensure_connection()
        self.watched.execute_wrappers.append(self._statement)
        commit, fetch, copy = self.watched._commit, client.fetch, psycopg.Cursor.copy

        def committing():
            self.commits = True
            self.reach("before COMMIT")
            commit()
            self.commits = False
            self.reach("after COMMIT")

        def fetching(session, request, *, seconds):
            name = f"{request.method} {request.url.partition('v1.3/')[2]}"
            self.reach(f"before {name}")
            answer = fetch(session, request, seconds=seconds)
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
        return execute(sql, params, many, context)


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
