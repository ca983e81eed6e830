"""Refusals of backup and restore: one line, exit code 1, nothing overwritten, no files left."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT
from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow


def refused(one, *arguments, **more):
    """Return the one line on stderr of a command that fails."""
    command = [sys.executable, "manage.py", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=one.env | more, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    return done.stderr


def test_a_backup_overwrites_nothing(site, tmp_path):
    one, file = site(10), tmp_path / "backup"
    file.write_text("of yesterday")
    assert "overwrites nothing" in refused(one, "backup", file)
    assert file.read_text() == "of yesterday"


def test_erase_again_needs_no_ledger_when_no_profile_was_erased(site, tmp_path):
    one = site(10)
    assert one.manage("erase_again") == ""
    assert "There is no ledger" in refused(one, "erase_again", tmp_path / "other.jsonl")


def test_a_backup_into_a_missing_folder_is_refused(site, tmp_path):
    assert "No backup was made" in refused(site(10), "backup", tmp_path / "nowhere" / "backup")


def test_a_database_with_people_is_not_overwritten(site, tmp_path):
    one, file = site(10), tmp_path / "backup"
    one.manage("backup", str(file))
    assert "Nothing was restored" in refused(one, "restore", file)
    assert one.do(crowd.is_at_rest)


def test_a_file_that_is_no_backup_is_refused(site, databases, tmp_path):
    one, file = site(10), tmp_path / "letter"
    file.write_text("Dear Sir or Madam")
    assert "is no backup of" in refused(one, "restore", file)


def test_a_damaged_backup_is_refused_and_the_database_stays_empty(
    site, databases, tmp_path, is_sqlite
):
    one, file = site(500), tmp_path / "backup"
    one.manage("backup", str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    name = databases.create()
    try:
        from_empty = {"DATABASE_URL": one.env["DATABASE_URL"].replace(one.name, name)}
        assert "Nothing was restored" in refused(one, "restore", file, **from_empty)
        assert not is_sqlite or not Path(name).exists()
    finally:
        databases.drop(name)


def test_a_missing_pg_dump_is_named_and_sqlite_needs_no_program(site, tmp_path, is_sqlite):
    one, file, bare = site(10), tmp_path / "backup", {"PATH": "/nowhere"}
    if is_sqlite:
        one.env |= bare
        one.manage("backup", str(file))
    else:
        assert "pg_dump is missing" in refused(one, "backup", file, **bare)
    assert file.exists() == is_sqlite
