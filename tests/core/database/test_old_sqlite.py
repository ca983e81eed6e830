"""F09: a SQLite library with the WAL-reset race opens a file in WAL mode."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from audiencesync.core.database import sqlite
from tests.support.stack import ROOT, environment

pytestmark = pytest.mark.slow
WITHOUT_PYSQLITE = """
import sys
sys.modules["pysqlite3"] = None
import django; django.setup()
from django.core.management import call_command
from django.db import connection
call_command("check")
with connection.cursor() as cursor:
    print(connection.Database.sqlite_version, cursor.execute("PRAGMA journal_mode").fetchone()[0])
"""


def test_f09_an_old_library_leaves_wal_mode_and_warns(tmp_path):
    env = environment(tmp_path)
    with closing(sqlite3.connect(tmp_path / "audiencesync.sqlite3")) as database:
        assert database.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
        database.execute("CREATE TABLE people (id)")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PYSQLITE],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    version, mode = done.stdout.split()[-2:]
    is_old = tuple(map(int, version.split("."))) < sqlite.SAFE_WAL
    assert mode == ("delete" if is_old else "wal")
    assert (f"SQLite {version} is older than" in done.stderr) is is_old
