"""/healthz asks for nothing; /readyz names what is missing, and only that, and tells nothing else."""

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

from audiencesync.core import beat, health
from audiencesync.core.models import BeatSlot

NAMES = {"database", "migrations", "keys", "tokens", "cache", "engine", "disk", "sqlite"}


@pytest.fixture(autouse=True)
def _nothing_was_written():
    health._logged_at.clear()


@pytest.fixture
def beating(db):
    beat.claim(beat.HEARTBEAT, beat.slot_at(time.time(), 5))


def failing():
    answer = Client().get("/readyz")
    found = json.loads(answer.content)
    assert found.keys() == NAMES
    assert set(found.values()) <= {"ok", "fail"}
    bad = {name for name, state in found.items() if state == "fail"}
    assert answer.status_code == (503 if bad else 200)
    return bad


def test_a_process_answers_without_a_database():
    """No `db` fixture: a query would fail the test."""
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"process": "ok"})


def test_over_http_too(settings):
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/healthz").status_code == 200


def test_all_is_there(beating):
    assert failing() == set()
    assert not BeatSlot.objects.filter(pk="readyz").exists()


def test_a_dead_database_is_named_and_hides_its_words(monkeypatch):
    """No `db` fixture: every query raises, as with a database that is away."""
    page = Client().get("/readyz")
    bad = {name for name, state in page.json().items() if state == "fail"}
    assert page.status_code == 503
    assert bad == {"database", "migrations", "tokens", "engine"}
    assert "django_db" not in page.content.decode()


def test_a_missing_migration(beating):
    newest = next(
        node for node in MigrationLoader(connection).graph.leaf_nodes() if node[0] == "partners"
    )
    MigrationRecorder(connection).record_unapplied(*newest)
    assert failing() == {"migrations"}


@pytest.mark.parametrize("keys", [[], ["nonsense"]])
def test_keys_that_do_not_work(beating, settings, keys):
    settings.TOKEN_KEYS = keys
    assert failing() == {"keys"}


def test_a_cache_that_forgets(beating, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
    assert failing() == {"cache"}


def test_a_cache_that_is_away(beating, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:9",
        }
    }
    assert failing() == {"cache"}


@pytest.mark.parametrize(("age", "bad"), [(20, set()), (40, {"engine"})])
def test_an_engine_that_fell_silent(db, age, bad):
    beat.claim(beat.HEARTBEAT, beat.slot_at(time.time() - age, 5))
    assert failing() == bad


def test_an_engine_that_never_ran(db):
    assert failing() == {"engine"}


def test_a_full_disk(beating, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(100, 96, 4))
    assert failing() == {"disk"}


def test_an_old_library_in_a_wal_file(beating, monkeypatch):
    with connection.cursor() as cursor:
        mode = connection.vendor == "sqlite" and cursor.execute("PRAGMA journal_mode").fetchone()[0]
    monkeypatch.setattr("audiencesync.core.database.sqlite.version", lambda: (3, 40, 1))
    assert failing() == ({"sqlite"} if mode == "wal" else set())


def test_the_log_says_why_a_check_fails_once_a_minute_and_when_it_is_over(db, settings, caplog):
    beat.claim(beat.HEARTBEAT, beat.slot_at(time.time() - 400, 5))
    assert [failing() for _ in range(3)] == [{"engine"}] * 3
    beat.claim(beat.HEARTBEAT, beat.slot_at(time.time(), 5))
    assert [failing() for _ in range(2)] == [set()] * 2
    said = [
        record.getMessage()
        for record in caplog.records
        if record.name == "audiencesync.core.health"
    ]
    assert re.fullmatch(r"readyz: engine fails: last heartbeat 40\d s ago", said[0])
    assert said[1:] == ["readyz: engine is well again"]


def test_a_probe_may_ask_by_ip_address(beating, settings):
    settings.ALLOWED_HOSTS = ["audiences.example.org"]
    asked = {
        path: Client(headers={"host": "10.0.0.7:8000"}).get(path)
        for path in ("/healthz", "/readyz")
    }
    assert {path: answer.status_code for path, answer in asked.items()} == {
        "/healthz": 200,
        "/readyz": 200,
    }


def test_a_host_that_is_not_allowed_is_one_line_without_its_words(settings, caplog):
    settings.ALLOWED_HOSTS = ["audiences.example.org"]
    assert Client(headers={"host": "canary.example.org"}).get("/accounts/login/").status_code == 400
    said = [record for record in caplog.records if record.name == "django.security.DisallowedHost"]
    assert [(record.levelname, record.exc_info) for record in said] == [("WARNING", None)]
    assert "canary" not in caplog.text


def test_names_tell_no_values(beating, settings):
    page = Client().get("/readyz").content.decode()
    assert [
        word
        for word in (*settings.TOKEN_KEYS, settings.SECRET_KEY, str(settings.VAR_DIR))
        if word in page
    ] == []
