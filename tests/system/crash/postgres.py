"""Databases on PostgreSQL: one copy per scenario, whose rows are restored before each run.

This is faster than a new copy for each run.
"""

import os
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import psycopg
from django.db import connections

from tests.system.crash.databases import Databases
from tests.system.crash.processes import Worker

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_SEQUENCES = (
    "SELECT sequencename, last_value, start_value FROM pg_sequences WHERE schemaname = 'public'"
)
_NUMBERS = count()  # one counter per process: several folders of tests create databases
_inherited = []  # sessions of the parent; if a child closed them, the parent would lose them
_OTHERS = (
    "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND application_name <> ALL(%s)"
)

_OPEN_TRANSACTION = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = %s AND state <> 'idle'"
    " AND backend_type = 'client backend' LIMIT 1"  # autovacuum is none
)


class Postgres(Databases):
    """Databases on the server of DATABASE_URL."""

    def __init__(self, unblock, folder: Path) -> None:
        self.admin = self._session("postgres")
        self.copies: dict[str, Copy] = {}
        super().__init__(unblock, folder)

    def apart(self) -> None:
        """Open a session for this process."""
        _inherited.append(self.admin)
        self.admin, self.copies = self._session("postgres"), {}

    def create(self, template: str | None = None) -> str:
        """Create a database; retry while a session of an earlier child keeps the template busy."""
        name = f"crash_{os.getpid()}_{next(_NUMBERS)}"
        for _ in range(500):
            try:
                self.admin.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
            except psycopg.errors.ObjectInUse:
                time.sleep(0.01)
                continue
            return name
        raise TimeoutError(template)

    def drop(self, name: str) -> None:
        """Drop a database, its copy and their open sessions."""
        if name in self.copies:
            copy = self.copies.pop(name)
            copy.session.close()
            self.drop(copy.name)
        self.admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def is_locked(self, name: str) -> bool:
        """Return whether a transaction is open in the database."""
        return self.admin.execute(_OPEN_TRANSACTION, [name]).fetchone() is not None

    def name_sessions(self) -> None:
        connections.databases["default"]["OPTIONS"]["application_name"] = _session_name(os.getpid())

    def copy(self, template: str, workers: Iterable[Worker] = ()) -> str:
        """Return the name of the copy of the template, which has the template's rows again."""
        if template not in self.copies:
            name = self.create(template)
            self.copies[template] = Copy(name, self._session(name))
        self.copies[template].restore([_session_name(worker.pid) for worker in workers])
        return self.copies[template].name

    def give_back(self, name: str) -> None:
        """Do nothing: ``copy`` restores the rows before the next use."""

    def _session(self, name: str) -> psycopg.Connection:
        values = connections.databases["default"]
        server = {
            key.lower(): values[key] for key in ("HOST", "PORT", "USER", "PASSWORD") if values[key]
        }
        return psycopg.connect(dbname=name, autocommit=True, **server)


def _session_name(pid: int) -> str:
    return f"worker {pid}"


class Copy:
    """A database that stores its first rows in the schema ``kept``, to restore them."""

    def __init__(self, name: str, session: psycopg.Connection) -> None:
        self.name, self.session = name, session
        tables = [table for (table,) in session.execute(_TABLES).fetchall()]
        filled = [t for t in tables if session.execute(f'SELECT 1 FROM "{t}" LIMIT 1').fetchone()]
        session.execute("CREATE SCHEMA kept")
        for table in filled:
            session.execute(f'CREATE TABLE kept."{table}" AS TABLE public."{table}"')
        sequences = session.execute(_SEQUENCES).fetchall()
        self.script = ";".join(
            [
                "SET session_replication_role = replica",  # checks no foreign key, fires no trigger
                *(f'DELETE FROM public."{table}"' for table in tables),
                *(f'INSERT INTO public."{table}" SELECT * FROM kept."{table}"' for table in filled),
                *(
                    f"SELECT setval('{name}', {last or start}, {last is not None})"
                    for name, last, start in sequences
                ),
            ]
        )

    def restore(self, kept_sessions: list[str]) -> None:
        """End all sessions but ``kept_sessions`` and this one; restore every row and sequence."""
        self.session.execute(f"SELECT pg_terminate_backend(pid) {_OTHERS}", [kept_sessions])
        while self.session.execute(f"SELECT 1 {_OTHERS} LIMIT 1", [kept_sessions]).fetchone():
            time.sleep(0.002)
        self.session.execute(self.script)
