"""One file that holds the whole database, made while everything runs, and the way back into an empty database.

SQLite: VACUUM INTO, consistent and in nobody's way. PostgreSQL: pg_dump and pg_restore. TOKEN_KEYS are not in it.
"""

import os
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient

SQLITE_HEAD, DUMP_HEAD = b"SQLite format 3\0", b"PGDMP"
BESIDE = (
    "-wal",
    "-shm",
    "-journal",
)  # what SQLite keeps beside its file; of another file it is poison


class Refused(Exception):
    """It was not done; the text says why, and what to do."""


def write(target: Path) -> None:
    """Copy the database into a new file that only its owner may read. Raises Refused, OSError or a database error."""
    part = target.with_name(f"{target.name}.part")
    for file in (target, part):
        if file.exists():
            raise Refused(
                f"{file} is there already. A backup overwrites nothing: choose another name."
            )
    for file in (target, part):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute("VACUUM INTO %s", [str(part)])
            _check(part)
        else:
            _postgres(
                "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={part}"
            )
        _flush(part)
        part.replace(target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    finally:
        part.unlink(missing_ok=True)


def restore(source: Path) -> None:
    """Fill the empty database of the settings from a backup. Raises Refused, OSError or a database error."""
    with source.open("rb") as file:
        head = file.read(len(SQLITE_HEAD))
    wanted = SQLITE_HEAD if connection.vendor == "sqlite" else DUMP_HEAD
    if not head.startswith(wanted):
        raise Refused(
            f"{source} is no backup of {connection.display_name}, the database of DATABASE_URL."
        )
    if connection.vendor == "sqlite":
        _restore_file(source, Path(connection.settings_dict["NAME"]))
    elif connection.introspection.table_names():
        raise Refused("The database of DATABASE_URL is not empty. Restore into a new one.")
    else:
        _postgres(
            "pg_restore", "--no-owner", "--no-privileges", "--single-transaction", source=source
        )


def _restore_file(source: Path, target: Path) -> None:
    _check(source)
    if (
        target.exists()
        and target.stat().st_size
        and _reads(target, "SELECT count(*) FROM sqlite_master") != 0
    ):
        raise Refused(f"{target} holds data. Stop web and engine, move it away, and try again.")
    part = target.with_name(f"{target.name}.part")
    part.touch(mode=0o600)
    try:
        shutil.copyfile(source, part)
        _flush(part)
        for end in BESIDE:
            target.with_name(target.name + end).unlink(missing_ok=True)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _check(file: Path) -> None:
    """Raises Refused if the file of SQLite is not whole."""
    if (found := _reads(file, "PRAGMA integrity_check")) != "ok":
        raise Refused(f"{file} is damaged: {found}")


def _reads(file: Path, question: str) -> Any:
    """The first value of the answer, in words what SQLite says of a broken file."""
    sqlite3 = import_module("sqlite3")  # by now the one that the settings chose
    database = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    try:
        return database.execute(question).fetchone()[0]
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        database.close()


def _postgres(program: str, *arguments: str, source: Path | None = None) -> None:
    """Run a program of PostgreSQL against our database; the password travels in its environment."""
    if shutil.which(program) is None:
        raise Refused(f"{program} is missing (Debian: apt-get install postgresql-client).")
    where, env = DatabaseClient.settings_to_cmd_args_env(connection.settings_dict, [])
    name, files = where.pop(), [] if source is None else [str(source)]
    command = [program, *where[1:], f"--dbname={name}", *arguments, *files]
    done = subprocess.run(
        command, env=os.environ | (env or {}), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Refused(f"{program} failed: {done.stderr.strip()[-500:]}")


def _flush(file: Path) -> None:
    """Until it is on the disk it is no backup."""
    with file.open("rb") as written:
        os.fsync(written.fileno())
