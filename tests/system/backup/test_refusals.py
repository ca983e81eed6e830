"""Refusals of backup and restore: one line, exit code 1, nothing overwritten, no files left."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.stack import ROOT
from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow


def refusal(site, *arguments, **env):
    """Return the one line on stderr of a command that fails."""
    command = [sys.executable, "manage.py", *map(str, arguments)]
    process = subprocess.run(
        command, cwd=ROOT, env=site.env | env, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.count("\n") == 1, process.stderr
    return process.stderr


def test_a_backup_overwrites_nothing(make_site, tmp_path):
    site, file = make_site(10), tmp_path / "backup"
    file.write_text("of yesterday")
    assert "overwrites nothing" in refusal(site, "backup", file)
    assert file.read_text() == "of yesterday"


def test_erase_again_needs_no_ledger_when_no_profile_was_erased(make_site, tmp_path):
    site = make_site(10)
    assert site.manage("erase_again") == ""
    assert "There is no ledger" in refusal(site, "erase_again", tmp_path / "other.jsonl")


def test_a_backup_into_a_missing_folder_is_refused(make_site, tmp_path):
    assert "No backup was made" in refusal(make_site(10), "backup", tmp_path / "nowhere" / "backup")


def test_a_database_with_people_is_not_overwritten(make_site, tmp_path):
    site, file = make_site(10), tmp_path / "backup"
    site.manage("backup", str(file))
    assert "Nothing was restored" in refusal(site, "restore", file)
    assert site.do(crowd.is_at_rest)


def test_a_file_that_is_no_backup_is_refused(make_site, tmp_path):
    site, file = make_site(10), tmp_path / "letter"
    file.write_text("Dear Sir or Madam")
    assert "is no backup of" in refusal(site, "restore", file)


def test_a_damaged_backup_is_refused_and_the_database_stays_empty(
    make_site, databases, tmp_path, is_sqlite
):
    site, file = make_site(500), tmp_path / "backup"
    site.manage("backup", str(file))
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    name = databases.create()
    try:
        from_empty = {"DATABASE_URL": site.env["DATABASE_URL"].replace(site.name, name)}
        assert "Nothing was restored" in refusal(site, "restore", file, **from_empty)
        assert not is_sqlite or not Path(name).exists()
    finally:
        databases.drop(name)


def test_a_missing_pg_dump_is_named_and_sqlite_needs_no_program(make_site, tmp_path, is_sqlite):
    site, file, bare = make_site(10), tmp_path / "backup", {"PATH": "/nowhere"}
    if is_sqlite:
        site.env |= bare
        site.manage("backup", str(file))
    else:
        assert "pg_dump is missing" in refusal(site, "backup", file, **bare)
    assert file.exists() == is_sqlite
