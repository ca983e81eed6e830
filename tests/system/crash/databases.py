"""A database per point, copied from a template: a file of SQLite, or CREATE DATABASE ... TEMPLATE of PostgreSQL."""

import os
import shutil
from itertools import count
from pathlib import Path

from django.db import connections

from tests.support import migrated
from tests.system.crash.processes import MOST_SECONDS, Child

_kept = []  # connections inherited from the test process: closing them here would disturb it


def enter(name: str, busy_seconds: float = 20) -> None:
    """In a child: from now on this is the database."""
    _kept.append(connections["default"])
    del connections["default"]
    values = connections.databases["default"]
    values["NAME"] = name
    if values["ENGINE"].endswith("sqlite3"):
        values["OPTIONS"] |= {"timeout": busy_seconds}


class Databases:
    """Hands out fresh databases; nothing in the test process ever connects to one through Django."""

    def __init__(self, unblock, folder: Path) -> None:
        self.unblock, self.folder = unblock, folder
        self.numbers = count()
        self.base = self.create(migrated.template())

    def child(
        self, name: str, work, busy_seconds: float = 20, most_seconds: int = MOST_SECONDS
    ) -> Child:
        """A process whose database is ``name``."""

        def live(tell):
            self.unblock()
            enter(name, busy_seconds)
            result = work(tell)
            connections["default"].close()
            return result

        return Child(live, most_seconds=most_seconds)

    def create(self, template: str | None = None) -> str:
        """A new one; a copy of ``template``."""
        raise NotImplementedError

    def drop(self, name: str) -> None:
        """Away with it."""
        raise NotImplementedError

    def apart(self) -> None:
        """In a child that makes databases itself: share nothing with its siblings."""

    def copy(self, template: str) -> str:
        """One for a single point, as the template is."""
        return self.create(template)

    def give_back(self, name: str) -> None:
        """The point is over."""
        self.drop(name)


class Sqlite(Databases):
    """Files in one folder."""

    def create(self, template: str | None = None) -> str:
        """A file."""
        name = str(self.folder / f"{os.getpid()}-{next(self.numbers)}.sqlite3")
        if template:
            shutil.copyfile(template, name)
        return name

    def drop(self, name: str) -> None:
        """With what stands beside it."""
        for end in ("", "-wal", "-shm", "-journal"):
            Path(name + end).unlink(missing_ok=True)
