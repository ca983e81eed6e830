"""/healthz needs nothing; /readyz names exactly the failed checks and no details."""

import json
import re
import shutil
import time
from collections import namedtuple

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from audiencesync.core import beat
from audiencesync.core.models import BeatSlot
from audiencesync.core.web import health

NAMES = {"database", "migrations", "keys", "tokens", "cache", "engine", "disk", "sqlite"}


@pytest.fixture(autouse=True)
def _forget_logged_failures():
    health._logged_at.clear()


@pytest.fixture
def heartbeat(db):
    beat.claim(beat.HEARTBEAT, beat.slot_at(time.time(), 5))


def failed_checks():
    answer = Client().get("/readyz")
    checks = json.loads(answer.content)
    assert checks.keys() == NAMES
    assert set(checks.values()) <= {"ok", "fail"}
    bad = {name for name, state in checks.items() if state == "fail"}
    assert answer.status_code == (503 if bad else 200)
    return bad


def test_healthz_needs_no_database():
    # Without the `db` fixture a query would fail the test.
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"process": "ok"})


def test_healthz_answers_over_http(settings):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/healthz").status_code == 200


def test_readyz_is_ok_if_all_checks_pass(heartbeat):
    assert failed_checks() == set()
    assert not BeatSlot.objects.filter(pk="readyz").exists()  # a row written as a test, rolled back


def test_a_lost_database_is_named_without_details():
    # Without the `db` fixture every query raises, as without a database server.
    page = Client().get("/readyz")
    bad = {name for name, state in page.json().items() if state == "fail"}
    assert page.status_code == 503
    assert bad == {"database", "migrations", "tokens", "engine"}
    assert "django_db" not in page.content.decode()


def test_a_missing_migration_is_named(heartbeat):
    newest = next(
        node for node in MigrationLoader(connection).graph.leaf_nodes() if node[0] == "partners"
    )
    MigrationRecorder(connection).record_unapplied(*newest)
    assert failed_checks() == {"migrations"}


@pytest.mark.parametrize("keys", [[], ["nonsense"]])
def test_unusable_keys_are_named(heartbeat, settings, keys):
    settings.TOKEN_KEYS = keys
    assert failed_checks() == {"keys"}


def test_a_cache_that_stores_nothing_is_named(heartbeat, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert failed_checks() == {"cache"}


def test_an_unreachable_cache_is_named(heartbeat, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:9",
        }
    }
    assert failed_checks() == {"cache"}


@pytest.mark.parametrize(("age", "bad"), [(20, set()), (40, {"engine"})])
def test_a_silent_engine_is_named(db, age, bad):
    beat.claim(beat.HEARTBEAT, beat.slot_at(time.time() - age, 5))
    assert failed_checks() == bad


def test_an_engine_that_never_ran_is_named(db):
    assert failed_checks() == {"engine"}


def test_a_full_disk_is_named(heartbeat, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 96, 4))
    assert failed_checks() == {"disk"}


def test_an_old_sqlite_library_with_a_wal_file_is_named(heartbeat, monkeypatch):
    with connection.cursor() as cursor:
        mode = connection.vendor == "sqlite" and cursor.execute("PRAGMA journal_mode").fetchone()[0]
    monkeypatch.setattr("audiencesync.core.database.sqlite.version", lambda: (3, 40, 1))
    assert failed_checks() == ({"sqlite"} if mode == "wal" else set())


def test_a_failing_check_is_logged_once_a_minute_and_when_it_recovers(db, caplog):
    beat.claim(beat.HEARTBEAT, beat.slot_at(time.time() - 400, 5))
    assert [failed_checks() for _ in range(3)] == [{"engine"}] * 3
    beat.claim(beat.HEARTBEAT, beat.slot_at(time.time(), 5))
    assert [failed_checks() for _ in range(2)] == [set()] * 2
    messages = [
        record.getMessage()
        for record in caplog.records
        if record.name == "audiencesync.core.web.health"
    ]
    assert re.fullmatch(r"readyz: engine fails: last heartbeat 40\d s ago", messages[0])
    assert messages[1:] == ["readyz: engine is well again"]


def test_a_probe_may_use_an_ip_address(heartbeat, settings):
    settings.ALLOWED_HOSTS = ["audiences.example.org"]
    answers = {
        path: Client(headers={"host": "10.0.0.7:8000"}).get(path)
        for path in ("/healthz", "/readyz")
    }
    assert {path: answer.status_code for path, answer in answers.items()} == {
        "/healthz": 200,
        "/readyz": 200,
    }


def test_a_host_that_is_not_allowed_is_logged_in_one_line(settings, caplog):
    settings.ALLOWED_HOSTS = ["audiences.example.org"]
    assert Client(headers={"host": "canary.example.org"}).get("/accounts/login/").status_code == 400
    records = [
        record for record in caplog.records if record.name == "django.security.DisallowedHost"
    ]
    assert [(record.levelname, record.exc_info) for record in records] == [("WARNING", None)]
    assert "canary" not in caplog.text


def test_readyz_shows_no_secrets(heartbeat, settings):
    page = Client().get("/readyz").content.decode()
    assert [
        word
        for word in (*settings.TOKEN_KEYS, settings.SECRET_KEY, str(settings.VAR_DIR))
        if word in page
    ] == []
