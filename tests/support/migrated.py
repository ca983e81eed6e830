"""A template database with all migrations applied, made once; test databases are copies of it."""

import fcntl
import hashlib
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from django.conf import settings

from scripts import postgres
from tests.support.stack import ROOT, environment, manage

BUILD = ROOT / "build"


def template() -> str:
    """Return the file of the template on SQLite, or its name on PostgreSQL.

    It is created if it does not exist for the present migrations and dependencies.
    """
    name = f"migrated_{_digest()}"
    BUILD.mkdir(exist_ok=True)
    with _one_at_a_time():
        if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
            return str(_sqlite(BUILD / f"{name}.sqlite3"))
        return _postgresql(name)


def into(var: Path) -> Path:
    """Copy the SQLite template into the folder of a stack; return the folder."""
    BUILD.mkdir(exist_ok=True)
    with _one_at_a_time():
        template_file = _sqlite(BUILD / f"migrated_{_digest()}.sqlite3")
        shutil.copyfile(template_file, var / "audiencesync.sqlite3")
    return var


def migrate(url: str) -> None:
    """Create the tables in the PostgreSQL database of this URL."""
    with tempfile.TemporaryDirectory() as folder:
        manage(environment(Path(folder), DATABASE_URL=url), "migrate", "--no-input")


def _digest() -> str:
    migrations = [*ROOT.glob("*/migrations/*.py"), *ROOT.glob("*/*/migrations/*.py")]
    text = b"".join(
        path.read_bytes() for path in [*sorted(migrations), ROOT / "requirements-dev.lock"]
    )
    return hashlib.sha256(text).hexdigest()[:12]


@contextmanager
def _one_at_a_time():
    """Hold a lock that only one process of a test run can hold."""
    with (BUILD / "migrated.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sqlite(path: Path) -> Path:
    if not path.exists():
        with tempfile.TemporaryDirectory() as folder:
            manage(environment(Path(folder)), "migrate", "--no-input")
            part = path.with_suffix(".part")
            part.unlink(missing_ok=True)
            with closing(sqlite3.connect(Path(folder) / "audiencesync.sqlite3")) as database:
                database.execute("VACUUM INTO ?", [str(part)])
            part.rename(path)
    return path


def _postgresql(name: str) -> str:
    values = settings.DATABASES["default"]
    address = f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}"
    with psycopg.connect(f"{address}/postgres", autocommit=True) as session:
        exists = session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not exists:
            session.execute(f"CREATE DATABASE {name} TEMPLATE template0")
            _create_tables(f"{address}/{name}", BUILD / f"{name}.sql")
    return name


def _create_tables(url: str, dump: Path) -> None:
    """Restore the dump, which is quicker than to migrate; dump a migrated database if it is new."""
    if dump.exists():
        psql = [postgres.binary("psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"]
        subprocess.run([*psql, f"--file={dump}", url], check=True, stdout=subprocess.DEVNULL)
        return
    migrate(url)
    part = dump.with_suffix(".part")
    subprocess.run([postgres.binary("pg_dump"), "--no-owner", f"--file={part}", url], check=True)
    part.rename(dump)
