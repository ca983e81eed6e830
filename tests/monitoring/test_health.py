"""/healthz asks for nothing; /readyz names what is missing, and only that, and tells nothing else."""

import json
import shutil
import time
from collections import namedtuple

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from audiencesync import beat
from audiencesync.groups.models import BeatSlot

NAMES = {"database", "migrations", "keys", "tokens", "cache", "engine", "disk", "sqlite"}


@pytest.fixture
def beating(db):
    beat.claim(beat.PULSE, beat.slot_at(time.time(), 5))


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
    newest = next(node for node in MigrationLoader(connection).graph.leaf_nodes() if node[0] == "partners")
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
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9"}
    }
    assert failing() == {"cache"}


@pytest.mark.parametrize(("age", "bad"), [(20, set()), (40, {"engine"})])
def test_an_engine_that_fell_silent(db, age, bad):
    beat.claim(beat.PULSE, beat.slot_at(time.time() - age, 5))
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
    monkeypatch.setattr("audiencesync.sqlite.version", lambda: (3, 40, 1))
    assert failing() == ({"sqlite"} if mode == "wal" else set())


def test_names_tell_no_values(beating, settings):
    page = Client().get("/readyz").content.decode()
    assert [word for word in (*settings.TOKEN_KEYS, settings.SECRET_KEY, str(settings.VAR_DIR)) if word in page] == []
