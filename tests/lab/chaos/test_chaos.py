"""A short chaos run on the database of this run: no person is lost or counted twice."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings

from lab.chaos import judge
from lab.chaos import report as chaos_report
from lab.chaos.nemesis import processes
from lab.chaos.run import MINIMUM
from tests.support.stack import ROOT, environment

SQLITE = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
COMMAND = [sys.executable, "manage.py", "chaos"]


def run_chaos(var, *arguments):
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env=environment(var),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.each_database
@pytest.mark.slow
def test_the_laws_hold_in_a_short_run(tmp_path):
    database = "sqlite" if SQLITE else "postgresql"
    options = ["--seconds", "20", "--seed", "7", "--engines", "2", "--database", database]
    process = run_chaos(tmp_path, *options, "--json")
    assert process.returncode == 0, process.stdout + process.stderr
    report = json.loads(process.stdout)
    assert report["violations"] == []
    assert report["people"]["pending"] == 0
    assert report["people"]["synced"] > 0
    assert report["checks"] > report["lease_checks"] >= MINIMUM["checks of leases"]
    assert sum(report["strikes"].values()) >= MINIMUM["strikes"]
    failed = sum(n for name, n in report["requests"].items() if name != "0")
    assert failed >= MINIMUM["failed calls"]
    assert processes(report["folder"]) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "option", [("--engines", "0"), ("--seconds", "0"), ("--seconds", "inf")], ids=" ".join
)
def test_impossible_options_are_refused(tmp_path, option):
    process = run_chaos(tmp_path, *option)
    assert process.returncode == 1
    assert option[0] in process.stderr
    assert "Traceback" not in process.stderr


def test_a_count_that_fell_is_found():
    before = {1: dict.fromkeys(judge.NEVER_DECREASE, 5)}
    after = {1: before[1] | {"synced": 4}}
    assert judge.decreased_counts(before, before) == []
    assert judge.decreased_counts(before, after) == ["L3 sync 1: synced fell from 5 to 4"]


def test_the_time_for_leases_stops_while_no_engine_works():
    began = datetime(2026, 1, 1, tzinfo=UTC)
    time = judge.LeaseTime(began)

    def read(seconds, heartbeat):
        heartbeat = began + timedelta(seconds=heartbeat)
        return (time.read(began + timedelta(seconds=seconds), heartbeat) - began).total_seconds()

    assert [read(9, 5), read(10, 10), read(17, 10)] == [0, 10, 17]
    assert [read(18, 10), read(40, 10), read(41, 40), read(49, 45)] == [17, 17, 17, 17]
    assert read(50, 50) == 50


def test_a_law_that_was_broken_twice_is_one_sentence(tmp_path):
    lines = [
        {"broken": [], "leases": False, "silence": 9.5},
        {"broken": ["L1"], "leases": True, "silence": 0.5},
        {"broken": ["L1"], "leases": True, "silence": 1.0},
    ]
    file = tmp_path / "watch.jsonl"
    half_a_line = '{"broken"'
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + half_a_line)
    assert chaos_report.read_watch(file) == (3, 2, 9.5, ["L1 (seen 2 times)"])


def test_tracebacks_and_errors_are_reported_and_kills_are_not(tmp_path):
    log = tmp_path / "engine-0.log"
    lines = [
        "Traceback (most recent call last):",
        '  File "x.py", line 1',
        "ZeroDivisionError: division by zero",
        json.dumps({"level": "error", "message": "Failed 'x' (one-two-three-four) - no"}),
        json.dumps({"level": "critical", "message": "reincarnated worker Process-1 after death"}),
        json.dumps({"level": "info", "message": "pushed 3 people"}),
    ]
    log.write_text(os.linesep.join(lines))
    errors = chaos_report.log_errors([log])
    assert len(errors) == 2
    assert "ZeroDivisionError" in errors[0]
    assert "Failed 'x' - no" in errors[1]
