"""Run `manage.py engine`: it survives crashes that silence django-q2, and stops cleanly."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support import migrated, stack

pytestmark = pytest.mark.slow
# Longer than a busy machine stands still: only the test about silence waits for a restart.
SILENCE_SECONDS = 60
STARTED = 16  # place of starttime in /proc/<pid>/stat behind the group


def processes_of(pgid):
    """Return the live processes of a group by age: main, sentinel, workers, monitor, pusher."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, its_group, *more = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z" and int(its_group) == pgid:
            # The start time comes first: process ids begin again after the highest one.
            found.append((int(more[STARTED]), int(stat.parent.name)))
    return [pid for _started, pid in sorted(found)]


class Running:
    """An engine process with its log and its database."""

    def __init__(self, var, silence_seconds):
        self.var = var
        env = stack.environment(
            var,
            ENGINE_SILENCE_SECONDS=str(silence_seconds),
            ENGINE_WORKERS="2",
            TASK_LOG_LEVEL="CRITICAL",
        )
        self.log_file = (var / "engine.log").open("w")
        command = [sys.executable, "manage.py", "engine"]
        self.process = subprocess.Popen(
            command, cwd=stack.ROOT, env=env, stdout=self.log_file, stderr=self.log_file
        )

    def log(self):
        return (self.var / "engine.log").read_text()

    def groups(self):
        """Return the process groups started so far."""
        return [int(part.split(")")[0]) for part in self.log().split("(process group ")[1:]]

    def pulse(self):
        """Return the time of the last heartbeat row, 0 before the first."""
        with closing(sqlite3.connect(self.var / "audiencesync.sqlite3")) as database:
            rows = database.execute(
                "SELECT slot FROM groups_beatslot WHERE name = 'pulse'"
            ).fetchall()
        return rows[0][0] if rows else 0

    def wait_for_next_pulse(self, seconds=90):
        before = int(time.time() * 1000)
        stack.wait_until(lambda: self.pulse() >= before, seconds=seconds, what="no heartbeat came")


@pytest.fixture
def engine(tmp_path, request):
    running = Running(migrated.into(tmp_path), getattr(request, "param", SILENCE_SECONDS))
    running.wait_for_next_pulse()
    yield running
    running.process.kill()
    running.process.wait()
    for pgid in running.groups():
        if processes_of(pgid):
            os.killpg(pgid, signal.SIGKILL)
    running.log_file.close()


def workers(pgid):
    """Return the two worker processes."""
    return processes_of(pgid)[2:4]


def test_the_engine_continues_after_all_workers_were_killed(engine):
    for pid in workers(engine.groups()[-1]):
        os.kill(pid, signal.SIGKILL)
    # A worker may die with the lock of the queue: then the silence must end first.
    engine.wait_for_next_pulse(SILENCE_SECONDS + 90)


@pytest.mark.parametrize("engine", [20], indirect=True)
def test_a_silent_cluster_is_restarted(engine):
    first = engine.groups()[-1]
    for pid in workers(first):
        os.kill(pid, signal.SIGSTOP)
    stack.wait_until(lambda: engine.groups()[-1] != first, seconds=120, what="it was not restarted")
    engine.wait_for_next_pulse()
    assert "no heartbeat" in engine.log()
    assert processes_of(first) == []


def test_the_engine_continues_after_its_main_process_was_killed(engine):
    first = engine.groups()[-1]
    os.kill(first, signal.SIGKILL)
    stack.wait_until(lambda: engine.groups()[-1] != first, seconds=60, what="it was not restarted")
    engine.wait_for_next_pulse()
    assert processes_of(first) == []


def test_sigterm_stops_all_processes_in_time(engine):
    engine.process.terminate()
    assert engine.process.wait(30) == 0  # running tasks have 3 s to end
    assert processes_of(engine.groups()[-1]) == []


def test_a_killed_supervisor_stops_its_cluster(engine):
    last = engine.groups()[-1]
    engine.process.kill()
    stack.wait_until(lambda: processes_of(last) == [], seconds=60, what="the cluster lived on")
