"""The supervisor kills a silent or dead engine with its orphans, restarts it, and stops in time."""

import os
import re
import sys
import time
from pathlib import Path

import pytest

from audiencesync.core.process.supervisor import Engine, Patience
from tests.support.stack import wait_until

pytestmark = pytest.mark.thorough

SILENT = "import time; time.sleep(600)"
IGNORES_SIGTERM = (
    "import pathlib, signal, sys, time; signal.signal(15, signal.SIG_IGN); "
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
)
BEATING = (
    "import os, pathlib, time\n"
    "while True: pathlib.Path(os.environ['PULSE']).touch(); time.sleep(0.1)"
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
def engine(tmp_path):
    """Return engine(script) -> a supervised fake cluster."""
    made = []

    def make(script, *arguments):
        heartbeat_file = tmp_path / "pulse"
        env = dict(os.environ) | {"PULSE": str(heartbeat_file)}
        command = [sys.executable, "-c", script, *arguments]
        made.append(
            Engine(
                command,
                heartbeat_file=heartbeat_file,
                env=env,
                patience=Patience(silence=0.6, stop=0.6),
            )
        )
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.kill()


def test_a_beating_engine_is_left_alone(engine):
    one = engine(BEATING)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        assert one.incident() is None
        time.sleep(0.1)


def test_a_silent_engine_is_restarted(engine, caplog):
    one = engine(SILENT)
    first = one.process.pid
    wait_until(one.incident, seconds=5)
    one.restart(one.incident())
    assert not is_alive(first)
    assert is_alive(one.process.pid)
    assert "no heartbeat" in caplog.text


def test_orphans_of_a_dead_main_process_are_killed(engine, tmp_path):
    note = tmp_path / "orphan"
    one = engine(ORPHAN, str(note))
    wait_until(one.incident, seconds=5)
    orphan = int(note.read_text())
    assert is_alive(orphan)
    assert one.incident() == "its main process ended"
    one.restart("test")
    wait_until(lambda: not is_alive(orphan), seconds=5)


def test_repeated_early_deaths_delay_the_restart(engine, caplog):
    one = engine("pass")
    one.failures = 0
    for _ in range(3):
        wait_until(one.incident, seconds=5)
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
