"""The supervisor kills a silent or dead engine with its orphans, restarts it, and stops in time."""

import os
import re
import sys
from pathlib import Path

import pytest

from audiencesync.core.process import supervisor
from audiencesync.core.process.supervisor import Engine, Timeouts
from tests.support.clock import StoppedTime
from tests.support.stack import wait_until

pytestmark = pytest.mark.thorough

TIMEOUTS = Timeouts(silence=10.0, stop=0.6)
SILENT = "import time; time.sleep(600)"
IGNORES_SIGTERM = (
    "import pathlib, signal, sys, time; signal.signal(15, signal.SIG_IGN); "
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
)
ORPHAN = (
    "import subprocess, sys; "
    "print(subprocess.Popen(['sleep', '600']).pid, file=open(sys.argv[1], 'w'), flush=True)"
)


def is_alive(pid):
    """Return whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def clock(monkeypatch):
    """Stop the clock of the supervisor: no engine is silent because the machine is busy."""
    stopped_time = StoppedTime()
    monkeypatch.setattr(supervisor, "time", stopped_time)
    return stopped_time


@pytest.fixture
def engine(tmp_path, clock):
    """Return engine(script) -> a supervised fake cluster."""
    made = []

    def supervise(script, *arguments):
        command = [sys.executable, "-c", script, *arguments]
        made.append(
            Engine(
                command,
                heartbeat_file=tmp_path / "pulse",
                env=dict(os.environ),
                timeouts=TIMEOUTS,
            )
        )
        made[-1].start()
        return made[-1]

    yield supervise
    for one in made:
        one.kill()


def test_a_beating_engine_is_left_alone(engine, clock):
    one = engine(SILENT)
    for beat in range(1, 4):
        clock.sleep(0.9 * TIMEOUTS.silence)
        os.utime(one.heartbeat_file, (beat, beat))
        assert one.incident() is None


def test_a_silent_engine_is_restarted(engine, clock, caplog):
    one = engine(SILENT)
    first = one.process.pid
    clock.sleep(1.1 * TIMEOUTS.silence)
    one.restart(one.incident())
    assert not is_alive(first)
    assert is_alive(one.process.pid)
    assert "no heartbeat" in caplog.text


def test_orphans_of_a_dead_main_process_are_killed(engine, tmp_path):
    note = tmp_path / "orphan"
    one = engine(ORPHAN, str(note))
    wait_until(one.incident)
    orphan = int(note.read_text())
    assert is_alive(orphan)
    assert one.incident() == "its main process ended"
    one.restart("test")
    wait_until(lambda: not is_alive(orphan))


def test_repeated_early_deaths_delay_the_restart(engine, caplog):
    one = engine("pass")
    one.failures = 0
    for _ in range(3):
        wait_until(one.incident)
        one.restart("test")
    assert re.findall(r"restarts in (\d) s", caplog.text) == ["0", "1", "2"]


def test_stop_lets_the_engine_exit_by_itself(engine):
    one = engine(SILENT)
    pid = one.process.pid
    one.stop()
    assert not is_alive(pid)


def test_stop_kills_an_engine_that_ignores_sigterm(engine, tmp_path, caplog):
    one = engine(IGNORES_SIGTERM, str(tmp_path / "ignores"))
    pid = one.process.pid
    wait_until((tmp_path / "ignores").exists)
    one.stop()  # it sleeps for ten minutes
    assert not is_alive(pid)
    assert "was killed" in caplog.text
