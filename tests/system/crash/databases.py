"""Give each run of a scenario a copy of a template database, on SQLite or PostgreSQL."""

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import connections

from audiencesync.core import beat
from tests.support import migrated
from tests.support.clock import CLOCK
from tests.system.crash.processes import MAX_SECONDS, Child, Worker

if TYPE_CHECKING:
    from tests.system.crash.roles import Roles

# Connections that a child inherits from the test process. A reference keeps Python from closing
# them in the child, which would disturb the test process.
_inherited = []


def enter(name: str, busy_seconds: float = 20) -> None:
    """Connect Django to this database from now on; call it in a child.

    ``busy_seconds``: for how long a statement waits for a lock of SQLite.
    """
    _inherited.append(connections["default"])
    del connections["default"]
    values = connections.databases["default"]
    values["NAME"] = name
    if values["ENGINE"].endswith("sqlite3"):
        values["OPTIONS"] |= {"timeout": busy_seconds}


class Databases:
    """Create and drop databases. ``base`` is a migrated one without rows.

    Only child processes connect to them through Django, never the test process.
    """

    def __init__(self, unblock, folder: Path) -> None:
        self.unblock, self.folder = unblock, folder
        self.numbers = count()
        self.base = self.create(migrated.template())

    def child(
        self, name: str, work, busy_seconds: float = 20, max_seconds: int = MAX_SECONDS
    ) -> Child:
        """Fork a process that uses the database ``name``."""

        def run(send):
            self.unblock()
            enter(name, busy_seconds)
            result = work(send)
            connections["default"].close()
            return result

        return Child(run, max_seconds=max_seconds)

    def worker(self, number: int, roles: "Roles") -> Worker:
        """Fork a worker. Its orders name a ``database``, a method of ``roles``, and ``arguments``.

        The worker keeps its connection, as the processes in production do. ``number`` (0 or 1) is
        its number at the clock.
        """
        entered = ""

        def work_of(order):
            nonlocal entered
            if not entered:
                self.unblock()
            if entered != order["database"]:
                if entered:
                    connections["default"].close()
                enter(order["database"])
                self.name_sessions()
                entered = order["database"]
            beat._woken_at.clear()  # so that each run has the statements of a new process
            work = getattr(roles, order["work"])(*order["arguments"])

            def run(send):
                with CLOCK.at_work(number):
                    return work(send)

            return run

        return Worker(work_of)

    def name_sessions(self) -> None:
        """Name the sessions of this process, so that `copy` can tell them from those of the dead.

        SQLite has no sessions.
        """

    def create(self, template: str | None = None) -> str:
        """Create a database, a copy of ``template`` if given; return its name."""
        raise NotImplementedError

    def drop(self, name: str) -> None:
        raise NotImplementedError

    def apart(self) -> None:
        """Stop sharing connections with the parent; for a child that creates databases."""

    def is_locked(self, name: str) -> bool:
        """Return whether a process, even a frozen one, may hold a lock that others wait for."""
        raise NotImplementedError

    def copy(self, template: str, workers: Iterable[Worker] = ()) -> str:
        """Return the name of a copy of the template, for one run.

        ``workers`` are idle; their connections to the copy stay open.
        """
        return self.create(template)

    def give_back(self, name: str) -> None:
        """Release the copy after a run."""
        self.drop(name)


class Sqlite(Databases):
    def create(self, template: str | None = None) -> str:
        name = str(self.folder / f"{os.getpid()}-{next(self.numbers)}.sqlite3")
        if template:
            shutil.copyfile(template, name)
        return name

    def is_locked(self, name: str) -> bool:
        """Return whether a process holds the lock for writers."""
        with closing(sqlite3.connect(name, timeout=0, isolation_level=None)) as session:
            try:
                session.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                return True
        return False

    def drop(self, name: str) -> None:
        """Delete the file and the files that SQLite keeps beside it."""
        for end in ("", "-wal", "-shm", "-journal"):
            Path(name + end).unlink(missing_ok=True)
