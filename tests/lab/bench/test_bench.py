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

SMALL = ["--people", "500", "--databases", "sqlite", "--idle-seconds", "3"]
SMALL += ["--busy-seconds", "2", "--backlog", "2000"]
BUSY = ("waits", "changes", "flood", "churn", "backlog")


@pytest.fixture
def run_bench(tmp_path, monkeypatch):
    """run_bench(names) -> results of these measurements with few people, and the progress lines."""
    monkeypatch.setattr(bench, "folder", lambda: nullcontext(migrated.into(tmp_path)))
    monkeypatch.setattr(bench, "Stack", Stack)

    def run(names):
        out, err = StringIO(), StringIO()
        call_command("bench", *SMALL, "--only", *names, "--json", stdout=out, stderr=err)
        results = json.loads(out.getvalue())["sqlite"]["500"]
        assert set(results) - {"ratios"} == {*names, "goals", "peers"}
        return results, err.getvalue()

    return run


@pytest.mark.slow
def test_a_small_bench_measures_every_quiet_number(run_bench):
    results, progress = run_bench([name for name in bench.NAMES if name not in BUSY])

    assert results["ratios"]["launch / insert"] > 0
    assert results["launch"]["entered"] == 500
    assert results["launch"]["synced"] + results["launch"]["not_synced"] == 500
    assert results["events"]["events"] == 10
    assert 0 < results["events"]["p50_seconds"] <= results["events"]["p100_seconds"]
    assert results["drain"]["people"] == results["launch"]["synced"] + results["events"]["events"]
    assert results["ingest"]["profiles"] == 525
    assert results["imports"]["rows"] == 500
    assert results["splits"]["people"] > results["splits"]["yes"] > 0
    assert results["page"]["steps"] == 200
    assert results["page"]["duplicate"]["ms"] > 0
    assert results["goals"]["bodies: from_stored_email"].startswith(">= 1,000,000")
    assert results["idle"]["sql_per_second"] > 0
    assert 0 < results["launch"]["most_memory_mb"]["engine"] < 1000
    assert all(rate > 0 for rate in results["bodies"].values())
    assert "launch: people_per_second" in progress


@pytest.mark.slow
def test_a_small_bench_measures_every_busy_number(run_bench):
    results, _progress = run_bench(BUSY)

    assert 0 < results["waits"]["p50_seconds"] <= results["waits"]["p100_seconds"]
    assert (
        0
        < results["changes"]["joined"]["p50_seconds"]
        <= results["changes"]["joined"]["p100_seconds"]
    )
    assert results["flood"]["events_per_second"] > 0
    assert results["flood"]["most_waiting"] > 0
    assert results["churn"]["changed"] >= 150
    assert results["churn"]["laws"] == "hold"
    assert results["backlog"]["pending"] == results["backlog"]["sent"] >= 2000


def test_a_database_that_is_not_installed_is_a_line():
    lines = lines_of(
        {"postgresql": bench.NOT_INSTALLED, "sqlite": {"1000": {"launch": {"seconds": 1.5}}}}
    )

    assert [line.split() for line in lines] == [
        ["postgresql", "not", "installed"],
        ["sqlite", "1,000", "launch:", "seconds", "1.5"],
    ]


def test_ratios_compare_with_the_machine():
    results = {
        "calibration": {
            "sha256_per_second": 1000,
            "insert_rows_per_second": 500,
            "posts_per_second": 1,
        },
        "bodies": {"from_raw": 250, "from_stored_email": 2000},
        "drain": {"people_per_second": 100},
        "launch": {"people_per_second": 0.1},
    }

    assert bench.ratios(results) == {
        "from_raw / sha256": 0.25,
        "from_stored_email / sha256": 2.0,
        "drain / insert": 0.2,
        "launch / insert": 0.0002,
    }


def test_goals_are_judged_beside_the_numbers():
    results = {"launch": {"seconds": 12.5}, "backlog": {"most_memory_mb": {"engine": 300}}}

    assert goals.verdicts(results, "postgresql", 1_000_000) == {
        "launch: seconds": "<= 10 MISSED",
        "backlog: most_memory_mb: engine": "<= 300 reached",
    }
    assert goals.verdicts(results, "sqlite", 1_000_000)["launch: seconds"] == "<= 15 reached"
    assert "launch: seconds" not in goals.verdicts(results, "sqlite", 500)


def test_a_process_has_used_cpu_and_memory():
    process = psutil.Process()

    assert processes.tree(process.pid)[0] == process
    assert processes.cpu_seconds([process]) > 0
    assert processes.peak_memory_mb([process]) > 10


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
