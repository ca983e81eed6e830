"""A start with a missing requirement prints one clear line; pages report a lost service."""

import os
import subprocess
import sys
import time

import pytest
import requests
from django.test import Client

from audiencesync.core.process.supervisor import Engine, Timeouts
from scripts.ports import free_port
from tests.support import stack

pytestmark = pytest.mark.slow
UNREACHABLE = "127.0.0.1:9"  # no server listens at this port


def run(var, *command, until=None, **more):
    """Run a command and return its output and exit code.

    With ``until``, terminate it a few seconds after it has printed that text.
    """
    env, log = stack.environment(var, **more), var / "output.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=stack.ROOT, env=env, stdout=file, stderr=file)
        try:
            if until:
                stack.wait_until(
                    lambda: until in log.read_text(), seconds=120, what=f"it did not say {until}"
                )
                time.sleep(3)  # would it print the text again?
                process.terminate()
            process.wait(120)
        finally:
            process.kill()
            process.wait()
    return log.read_text(), process.returncode


UNSAFE = [
    ({"SECRET_KEY": ""}, "SECRET_KEY is not set."),
    ({"TOKEN_KEYS": "k1:c2hvcnQ="}, "TOKEN_KEYS: each entry must be <id>:<base64 of 32 bytes>."),
    ({"ALLOWED_HOSTS": "else.example.org"}, "ALLOWED_HOSTS does not contain 127.0.0.1"),
    ({"DEMO": "0", "ALLOWED_HOSTS": "127.0.0.1,*"}, "ALLOWED_HOSTS must name hosts"),
    ({"DATABASE_URL": "postgre://u:canary-pw@db/x"}, "DATABASE_URL must look like postgres://"),
    ({"VAR_DIR": "/proc/self"}, "VAR_DIR /proc/self cannot be written by this user."),
]


@pytest.mark.parametrize(("more", "message"), UNSAFE)
def test_the_engine_refuses_an_unsafe_start(tmp_path, more, message):
    output, code = run(tmp_path, sys.executable, "manage.py", "engine", **more)
    assert output.startswith(f"AudienceSync does not start: {message}")
    assert output.count("\n") == 1
    assert "canary-pw" not in output
    assert code == 4


@pytest.mark.parametrize(("more", "message"), UNSAFE)
def test_the_web_server_refuses_an_unsafe_start(tmp_path, more, message):
    output, code = run(
        tmp_path, sys.executable, "-m", "gunicorn", WEB_PORT=str(free_port()), **more
    )
    assert output.count(f"AudienceSync does not start: {message}") == 1
    assert "Traceback" not in output
    assert "Booting worker" not in output
    assert code == 4


@pytest.mark.parametrize(
    ("command", "started"),
    [
        (("-m", "gunicorn"), "Booting worker"),
        (("manage.py", "engine"), "Engine started (process group"),
    ],
)
def test_a_warning_is_one_line_of_the_log(tmp_path, command, started):
    more = {"WEB_PORT": str(free_port()), "TIKTOK_APP_SECRET": "", "LOG_FORMAT": "json"}
    (tmp_path / "static").mkdir()
    output, _code = run(tmp_path, sys.executable, *command, until=started, **more)
    assert output.count("AudienceSync starts, but: TIKTOK_APP_SECRET not set.") == 1
    assert [line for line in output.splitlines() if not line.startswith('{"ts"')] == []
    assert "does not start" not in output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"DATABASE_URL": "db.internal"},
            "AudienceSync does not start: DATABASE_URL must look like postgres://",
        ),
        (
            {"REDIS_URL": "canary-pw@redis"},
            "AudienceSync does not start: REDIS_URL must look like redis://",
        ),
        (
            {"ENGINE_WORKERS": "three"},
            "AudienceSync does not start: ENGINE_WORKERS must be a whole number from 1 to",
        ),
        (
            {"VAR_DIR": "/proc/nowhere"},
            "AudienceSync does not start: VAR_DIR /proc/nowhere cannot be made",
        ),
        (
            {"DATABASE_URL": f"postgres://u:canary-pw@{UNREACHABLE}/x"},
            "The database does not answer as it should:",
        ),
    ],
)
def test_a_command_reports_an_error_in_one_line(tmp_path, more, message):
    output, code = run(tmp_path, sys.executable, "manage.py", "showmigrations", **more)
    assert (output.startswith(message), output.count("\n")) == (True, 1)
    assert "canary-pw" not in output
    assert code != 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"DATABASE_URL": f"postgres://u:canary-pw@{UNREACHABLE}/x"},
            "The engine waits: the database does not answer.",
        ),
        (
            {"REDIS_URL": f"redis://:canary-pw@{UNREACHABLE}/0"},
            "The engine waits: Redis does not answer.",
        ),
    ],
)
def test_the_engine_logs_its_waiting_once(tmp_path, more, message):
    output, code = run(
        tmp_path, sys.executable, "manage.py", "engine", until=message, LOG_FORMAT="json", **more
    )
    assert output.count(message) == 1
    assert "Traceback" not in output
    assert "canary-pw" not in output
    assert code == 0


def test_the_engine_starts_once_all_services_answer(tmp_path):
    answers = ["the database does not answer", "the database does not answer", ""]
    engine = Engine(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        heartbeat_file=tmp_path / "pulse",
        env=dict(os.environ),
        timeouts=Timeouts(),
        missing_backend=lambda: answers.pop(0),
    )
    started = time.monotonic()
    engine.start()
    try:
        assert time.monotonic() - started > 1.5
        assert engine.incident() is None
    finally:
        engine.kill()


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password/reset/"])
def test_pages_report_an_unreachable_redis(db, settings, path):
    redis = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": redis, "LOCATION": f"redis://{UNREACHABLE}"}}
    form = {"login": "alice@example.org", "password": "wrong", "email": "alice@example.org"}
    answer = Client(raise_request_exception=False).post(path, form)
    assert answer.status_code == 503
    assert "The cache is not ready" in answer.content.decode()


def test_the_web_server_reports_an_unreachable_database(tmp_path):
    installation = stack.Stack(
        tmp_path,
        extra_env={
            "DATABASE_URL": f"postgres://u:canary-pw@{UNREACHABLE}/x",
            "STATICFILES_BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
        },
    )
    installation.spawn(
        "web",
        "-m",
        "gunicorn",
        "audiencesync.wsgi",
        "--bind",
        f"127.0.0.1:{installation.port}",
        "--no-control-socket",
    )
    try:
        installation.await_answer("web", f"{installation.url}/healthz")
        cookie = {"Cookie": f"sessionid={'a' * 32}"}
        answers = {
            path: requests.get(f"{installation.url}{path}", headers=cookie, timeout=60)
            for path in ("/healthz", "/readyz", "/g/acme/")
        }
    finally:
        installation.stop()
    assert [answer.status_code for answer in answers.values()] == [200, 503, 503]
    # Whether this machine's disk is full proves nothing here.
    assert answers["/readyz"].json() | {"disk": "ok"} == {
        **dict.fromkeys(("database", "migrations", "tokens", "cache", "engine"), "fail"),
        **dict.fromkeys(("keys", "disk", "sqlite"), "ok"),
    }
    assert "The database is not ready" in answers["/g/acme/"].text
    assert "canary-pw" not in installation.log() + "".join(
        answer.text for answer in answers.values()
    )
