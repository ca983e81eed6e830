"""manage.py tiktok_sandbox: a process, port and file of its own; its output holds no secrets."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from scripts.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run():
    """run(...) -> the process, after it printed its address."""
    started = []

    def begin(*arguments, **environment):
        command = [sys.executable, "manage.py", "tiktok_sandbox", *map(str, arguments)]
        variables = {**os.environ, "SECRET_KEY": "a test needs one", **environment}
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen(command, cwd=ROOT, env=variables, stdout=pipe, stderr=pipe, text=True)
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def ended(process):
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.mark.slow
def test_it_keeps_its_data_and_ends_cleanly(run, tmp_path):
    port, db = free_port(), tmp_path / "sandbox.db"
    for deleted in (0, 1):
        process = run("--port", port, "--db", db, "--preset", "published_by_tiktok")
        assert f"http://127.0.0.1:{port}/" in process.stdout.readline()
        url = f"http://127.0.0.1:{port}/sandbox"
        assert requests.get(f"{url}/healthz", timeout=60).json()["preset"] == "published_by_tiktok"
        audiences = requests.get(f"{url}/api/audiences/", timeout=60).json()["audiences"]
        assert len(audiences) == 20 - deleted
        fault = {"kind": "delete_audience", "audience_id": audiences[0]["audience_id"]}
        requests.post(f"{url}/api/faults/", json=fault, timeout=60)
        assert ended(process)[0] == 0


@pytest.mark.slow
def test_a_taken_port_is_one_clear_line(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = run("--port", port)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert len(errors.strip().splitlines()) == 1
    assert f"127.0.0.1:{port}" in errors


@pytest.mark.slow
def test_its_log_holds_no_query_token_or_secret(run):
    port = free_port()
    process = run("--port", port, TIKTOK_APP_ID="77", TIKTOK_APP_SECRET="hush-hush")
    process.stdout.readline()
    url = f"http://127.0.0.1:{port}"
    query = {"app_id": "77", "secret": "hush-hush"}
    headers = {"Access-Token": "tok-tok"}
    requests.get(
        f"{url}/open_api/v1.3/oauth2/advertiser/get/", params=query, headers=headers, timeout=60
    )
    assert (
        requests.get(
            f"{url}/portal/auth?app_id=77&redirect_uri=http://a.example/&state=sss", timeout=60
        ).status_code
        == 200
    )
    requests.get(f"{url}/%0Aforged%1b[31m", timeout=60)
    _, output, errors = ended(process)
    assert "GET /open_api/v1.3/oauth2/advertiser/get/ 200" in errors
    assert len(errors.splitlines()) == 3
    assert "\x1b" not in errors
    assert not any(word in output + errors for word in ("hush-hush", "tok-tok", "sss", "app_id"))
