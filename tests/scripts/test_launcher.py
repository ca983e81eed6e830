"""`make run` checks ports and keys, and prints a box, before it starts anything."""

import importlib
import socket
import stat
import subprocess
import sys

import pytest

from audiencesync.core import crypto
from scripts.ports import free_port
from tests.support.stack import ROOT

pytestmark = pytest.mark.thorough


@pytest.fixture
def run(monkeypatch):
    """Return the module scripts/run.py."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return importlib.import_module("run")


def launch(port, sandbox_port):
    command = [
        sys.executable,
        "scripts/run.py",
        "--port",
        str(port),
        "--sandbox-port",
        str(sandbox_port),
    ]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize("taken", ["PORT", "SANDBOX_PORT"])
def test_a_taken_port_is_reported_in_one_line(taken):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        busy = other.getsockname()[1]
        ports = (busy, free_port()) if taken == "PORT" else (free_port(), busy)
        done = launch(*ports)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"{taken} {busy} is taken. Choose another one: make run {taken}=")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("port", "words"),
    [("80a", "is not a port"), ("0", "is not a port"), ("70000", "is not a port")],
)
def test_an_invalid_port_is_reported_in_one_line(port, words):
    done = launch(port, free_port())
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert words in done.stderr


def test_equal_ports_are_reported_in_one_line():
    port = free_port()
    done = launch(port, port)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "must differ" in done.stderr


def test_keys_are_created_once_and_private(run, tmp_path):
    file = tmp_path / "var" / "demo.env"
    first = run.demo_keys(file)
    assert set(first) == {"SECRET_KEY", "TOKEN_KEYS"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert run.demo_keys(file) == first


def test_created_keys_encrypt_and_decrypt(run, tmp_path, settings):
    settings.TOKEN_KEYS = [run.demo_keys(tmp_path / "demo.env")["TOKEN_KEYS"]]
    assert crypto.open_sealed(crypto.seal("token", context="c"), context="c") == "token"


def test_the_box_frames_every_line(run):
    lines = run.box(["a", "long line"]).strip().splitlines()
    assert {len(line) for line in lines} == {len("long line") + 6}
