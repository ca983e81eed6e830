"""`manage.py bench` measures and prints; a test does not judge the speed."""

import json
from contextlib import nullcontext
from io import StringIO

import psutil
import pytest
from django.core.management import CommandError, call_command

from lab.bench import bench, goals
from lab.management.commands.bench import lines_of
from lab.stack import processes
from tests.support import migrated
from tests.support.stack import Stack

TINY = ["--people", "500", "--databases", "sqlite", "--idle-seconds", "3"]
TINY += ["--busy-seconds", "2", "--backlog", "2000"]
BUSY = ("waits", "changes", "flood", "churn", "backlog")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """tiny(names) -> what a bench of these measures with a beat every second, and its output."""
    monkeypatch.setattr(bench, "folder", lambda: nullcontext(migrated.into(tmp_path)))
    monkeypatch.setattr(bench, "Stack", Stack)

    def make(names):
        out, err = StringIO(), StringIO()
        call_command("bench", *TINY, "--only", *names, "--json", stdout=out, stderr=err)
        found = json.loads(out.getvalue())["sqlite"]["500"]
        assert set(found) - {"ratios"} == {*names, "goals", "peers"}
        return found, err.getvalue()

    return make


@pytest.mark.slow
def test_a_small_bench_measures_every_quiet_number(tiny):
    found, said = tiny([name for name in bench.NAMES if name not in BUSY])

    assert found["ratios"]["launch / insert"] > 0
    assert found["launch"]["entered"] == 500
    assert found["launch"]["synced"] + found["launch"]["not_synced"] == 500
    assert found["events"]["events"] == 10
    assert 0 < found["events"]["p50_seconds"] <= found["events"]["p100_seconds"]
    assert found["drain"]["people"] == found["launch"]["synced"] + found["events"]["events"]
    assert found["ingest"]["profiles"] == 525
    assert found["imports"]["rows"] == 500
    assert found["splits"]["people"] > found["splits"]["yes"] > 0
    assert found["page"]["steps"] == 200
    assert found["page"]["duplicate"]["ms"] > 0
    assert found["goals"]["bodies: from_stored_email"].startswith(">= 1,000,000")
    assert found["idle"]["sql_per_second"] > 0
    assert 0 < found["launch"]["most_memory_mb"]["engine"] < 1000
    assert all(rate > 0 for rate in found["bodies"].values())
    assert "launch: people_per_second" in said


@pytest.mark.slow
def test_a_small_bench_measures_every_busy_number(tiny):
    found, _said = tiny(BUSY)

    assert 0 < found["waits"]["p50_seconds"] <= found["waits"]["p100_seconds"]
    assert (
        0 < found["changes"]["joined"]["p50_seconds"] <= found["changes"]["joined"]["p100_seconds"]
    )
    assert found["flood"]["events_per_second"] > 0
    assert found["flood"]["most_waiting"] > 0
    assert found["churn"]["changed"] >= 150
    assert found["churn"]["laws"] == "hold"
    assert found["backlog"]["pending"] == found["backlog"]["sent"] >= 2000


def test_a_database_that_is_not_installed_is_a_line():
    lines = lines_of(
        {"postgresql": bench.NOT_INSTALLED, "sqlite": {"1000": {"launch": {"seconds": 1.5}}}}
    )

    assert [line.split() for line in lines] == [
        ["postgresql", "not", "installed"],
        ["sqlite", "1,000", "launch:", "seconds", "1.5"],
    ]


def test_ratios_compare_with_the_machine():
    found = {
        "calibration": {
            "sha256_per_second": 1000,
            "insert_rows_per_second": 500,
            "posts_per_second": 1,
        },
        "bodies": {"from_raw": 250, "from_stored_email": 2000},
        "drain": {"people_per_second": 100},
    }

    assert bench.ratios(found) == {
        "from_raw / sha256": 0.25,
        "from_stored_email / sha256": 2.0,
        "drain / insert": 0.2,
    }


def test_goals_are_judged_beside_the_numbers():
    found = {"launch": {"seconds": 12.5}, "backlog": {"most_memory_mb": {"engine": 300}}}

    assert goals.verdicts(found, "postgresql", 1_000_000) == {
        "launch: seconds": "<= 10 MISSED",
        "backlog: most_memory_mb: engine": "<= 300 reached",
    }
    assert goals.verdicts(found, "sqlite", 1_000_000)["launch: seconds"] == "<= 15 reached"
    assert "launch: seconds" not in goals.verdicts(found, "sqlite", 500)


def test_a_process_has_used_cpu_and_memory():
    this = [psutil.Process()]

    assert processes.tree(this[0].pid)[0] == this[0]
    assert processes.cpu_seconds(this) > 0
    assert processes.peak_memory_mb(this) > 10


def test_a_process_that_has_ended_costs_nothing():
    child = psutil.Popen(["true"])
    child.wait()

    assert processes.tree(child.pid) == []
    assert processes.cpu_seconds([child]) == 0
    assert processes.peak_memory_mb([child]) == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--people", "0"],
        ["--people", "10000001"],
        ["--idle-seconds", "0"],
        ["--busy-seconds", "0"],
        ["--backlog", "-1"],
    ],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(CommandError, match=f"{options[0]} takes"):
        call_command("bench", *options)
