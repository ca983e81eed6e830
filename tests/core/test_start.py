"""A start without what is needed: one clear line, no crash loop; while something is away, pages say so."""

import os
import subprocess
import sys
import time

import pytest
import requests
from django.test import Client

from audiencesync.core.supervisor import Engine, Terms
from tests.support import stack

pytestmark = pytest.mark.slow
NOWHERE = "127.0.0.1:9"


def run(var, *command, until=None, **more):
    """What a process says until it ends, or some seconds after it has said ``until``; its exit code."""
    env, log = stack.environment(var, **more), var / "said.log"
    with log.open("w") as file:
        process = subprocess.Popen(command, cwd=stack.ROOT, env=env, stdout=file, stderr=file)
        try:
            if until:
                stack.wait_until(
                    lambda: until in log.read_text(), seconds=60, what=f"it did not say {until}"
                )
                time.sleep(3)  # would it say it again?
                process.terminate()
            process.wait(60)
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


@pytest.mark.parametrize(("more", "words"), UNSAFE)
def test_the_engine_does_not_start_unsafe(tmp_path, more, words):
    said, code = run(tmp_path, sys.executable, "manage.py", "engine", **more)
    assert said.startswith(f"AudienceSync does not start: {words}")
    assert said.count("\n") == 1
    assert "canary-pw" not in said
    assert code == 4


@pytest.mark.parametrize(("more", "words"), UNSAFE)
def test_the_web_does_not_start_unsafe(tmp_path, more, words):
    said, code = run(
        tmp_path, sys.executable, "-m", "gunicorn", WEB_PORT=str(stack.free_port()), **more
    )
    assert said.count(f"AudienceSync does not start: {words}") == 1
    assert "Traceback" not in said
    assert "Booting worker" not in said
    assert code == 4


@pytest.mark.parametrize(
    ("command", "begun"),
    [
        (("-m", "gunicorn"), "Booting worker"),
        (("manage.py", "engine"), "Engine started (process group"),
    ],
)
def test_what_is_unwise_is_one_line_of_the_log(tmp_path, command, begun):
    more = {"WEB_PORT": str(stack.free_port()), "TIKTOK_APP_SECRET": "", "LOG_FORMAT": "json"}
    (tmp_path / "static").mkdir()
    said, _code = run(tmp_path, sys.executable, *command, until=begun, **more)
    assert said.count("AudienceSync starts, but: TIKTOK_APP_SECRET not set.") == 1
    assert [line for line in said.splitlines() if not line.startswith('{"ts"')] == []
    assert "does not start" not in said


@pytest.mark.parametrize(
    ("more", "words"),
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
            {"DATABASE_URL": f"postgres://u:canary-pw@{NOWHERE}/x"},
            "The database does not answer as it should:",
        ),
    ],
)
def test_a_command_says_what_is_wrong_in_one_line(tmp_path, more, words):
    said, code = run(tmp_path, sys.executable, "manage.py", "showmigrations", **more)
    assert (said.startswith(words), said.count("\n")) == (True, 1)
    assert "canary-pw" not in said
    assert code != 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            {"DATABASE_URL": f"postgres://u:canary-pw@{NOWHERE}/x"},
            "The engine waits: the database does not answer.",
        ),
        (
            {"REDIS_URL": f"redis://:canary-pw@{NOWHERE}/0"},
            "The engine waits: Redis does not answer.",
        ),
    ],
)
def test_the_engine_waits_in_one_line(tmp_path, more, words):
    said, code = run(
        tmp_path, sys.executable, "manage.py", "engine", until=words, LOG_FORMAT="json", **more
    )
    assert said.count(words) == 1
    assert "Traceback" not in said
    assert "canary-pw" not in said
    assert code == 0


def test_the_engine_starts_once_everything_answers(tmp_path):
    away = ["the database does not answer", "the database does not answer", ""]
    one = Engine(
        [sys.executable, "-c", "import time; time.sleep(60)"],
        heartbeat_file=tmp_path / "pulse",
        env=dict(os.environ),
        terms=Terms(),
        missing=lambda: away.pop(0),
    )
    started = time.monotonic()
    one.start()
    try:
        assert time.monotonic() - started > 1.5
        assert one.incident() is None
    finally:
        one.kill()


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/password/reset/"])
def test_pages_say_that_redis_is_away(db, settings, path):
    redis = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": redis, "LOCATION": f"redis://{NOWHERE}"}}
    form = {"login": "alice@example.org", "password": "wrong", "email": "alice@example.org"}
    answer = Client(raise_request_exception=False).post(path, form)
    assert answer.status_code == 503
    assert "The cache is not ready" in answer.content.decode()


def test_without_a_database_the_web_lives_and_says_so(tmp_path):
    one = stack.Stack(
        tmp_path,
        more={
            "DATABASE_URL": f"postgres://u:canary-pw@{NOWHERE}/x",
            "STATICFILES_BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
        },
    )
    one.spawn(
        "web",
        "-m",
        "gunicorn",
        "audiencesync.wsgi",
        "--bind",
        f"127.0.0.1:{one.port}",
        "--no-control-socket",
    )
    try:
        one.await_answer("web", f"{one.url}/healthz")
        cookie = {"Cookie": f"sessionid={'a' * 32}"}
        answers = {
            path: requests.get(f"{one.url}{path}", headers=cookie, timeout=10)
            for path in ("/healthz", "/readyz", "/g/acme/")
        }
    finally:
        one.stop()
    assert [answer.status_code for answer in answers.values()] == [200, 503, 503]
    assert answers["/readyz"].json() | {"disk": "ok"} == {
        **dict.fromkeys(("database", "migrations", "tokens", "cache", "engine"), "fail"),
        **dict.fromkeys(("keys", "disk", "sqlite"), "ok"),
    }
    assert "The database is not ready" in answers["/g/acme/"].text
    assert "canary-pw" not in one.log() + "".join(answer.text for answer in answers.values())
