"""Backup of the whole database into one file while everything runs, and its restore into an empty
database.

SQLite uses VACUUM INTO, PostgreSQL pg_dump and pg_restore. TOKEN_KEYS are not part of a backup.
"""

import os
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

# The first bytes of a file.
SQLITE_MAGIC, DUMP_MAGIC = b"SQLite format 3\0", b"PGDMP"
# Files that SQLite keeps beside its database. Left over from another database they would corrupt a
# restored one.
SIDE_FILES = ("-wal", "-shm", "-journal")


class BackupError(Exception):
    """Nothing was written or restored; the text says why and what to do."""


def write(target: Path) -> None:
    """Copy the database into a new file with mode 0600.

    Raises BackupError, OSError or a database error.
    """
    part = target.with_name(f"{target.name}.part")
    for file in (target, part):
        if file.exists():
            raise BackupError(
                f"{file} is there already. A backup overwrites nothing: choose another name."
            )
    # Only the owner may read either file, from its first byte on. The empty target reserves its
    # name meanwhile, so that no other backup takes it.
    for file in (target, part):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [str(part)])
            _check_integrity(part)
        else:
            _run_client(
                "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={part}"
            )
        _fsync(part)
        part.replace(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        part.unlink(missing_ok=True)


def restore(source: Path) -> None:
    """Fill the empty database of the settings from a backup.

    Raises BackupError, OSError or a database error.
    """
    with source.open("rb") as file:
        head = file.read(len(SQLITE_MAGIC))
    magic = SQLITE_MAGIC if connection.vendor == "sqlite" else DUMP_MAGIC
    if not head.startswith(magic):
        raise BackupError(
            f"{source} is no backup of {connection.display_name}, the database of DATABASE_URL."
        )
    if connection.vendor == "sqlite":
        _restore_file(source, Path(connection.settings_dict["NAME"]))
    elif connection.introspection.table_names():
        raise BackupError("The database of DATABASE_URL is not empty. Restore into a new one.")
    else:
        _run_client(
            "pg_restore", "--no-owner", "--no-privileges", "--single-transaction", source=source
        )


def _restore_file(source: Path, target: Path) -> None:
    _check_integrity(source)
    if (
        target.exists()
        and target.stat().st_size
        and _query(target, "SELECT count(*) FROM sqlite_master") != 0
    ):
        raise BackupError(f"{target} holds data. Stop web and engine, move it away, and try again.")
    part = target.with_name(f"{target.name}.part")
    part.touch(mode=0o600)
    try:
        shutil.copyfile(source, part)
        _fsync(part)
        for suffix in SIDE_FILES:
            target.with_name(target.name + suffix).unlink(missing_ok=True)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _check_integrity(file: Path) -> None:
    """Raise BackupError if a SQLite file is damaged."""
    if (answer := _query(file, "PRAGMA integrity_check")) != "ok":
        raise BackupError(f"{file} is damaged: {answer}")


def _query(file: Path, sql: str) -> Any:
    """Return the first value of the result, or SQLite's error text for a damaged file."""
    # Imported here, because settings may have replaced the module (sqlite.py).
    sqlite3 = import_module("sqlite3")
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return database.execute(sql).fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        database.close()


def _run_client(program: str, *arguments: str, source: Path | None = None) -> None:
    """Run a PostgreSQL program against our database. Raises BackupError."""
    if shutil.which(program) is None:
        raise BackupError(f"{program} is missing (Debian: apt-get install postgresql-client).")
    # The password is passed in the environment: other users could read it on the command line.
    psql, env = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    # Django's command for psql: the program, options for host, port and user, the database.
    _program, *options, name = psql
    files = [] if source is None else [str(source)]
    command = [program, *options, f"--dbname={name}", *arguments, *files]
    result = subprocess.run(
        command, env=os.environ | (env or {}), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise BackupError(f"{program} failed: {result.stderr.strip()[-500:]}")


def _fsync(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())
