"""A command starts although another process holds the lock of an SQLite database."""

import subprocess
import sys

import pytest

from tests.support import migrated
from tests.support.stack import ROOT, environment

pytestmark = pytest.mark.slow
CHECK_A_LOCKED_DATABASE = """
import django; django.setup()
import sqlite3
from django.core.management import call_command
from django.db import connection
connection.ensure_connection()
connection.connection.execute("PRAGMA busy_timeout=100")
other = sqlite3.connect(connection.settings_dict["NAME"])
other.execute("BEGIN IMMEDIATE")
call_command("check", databases=["default"])
"""


def test_a_locked_database_is_not_taken_for_one_without_json(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CHECK_A_LOCKED_DATABASE],
        cwd=ROOT,
        env=environment(migrated.into(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "fields.E180" in done.stderr) == (0, False), done.stderr
