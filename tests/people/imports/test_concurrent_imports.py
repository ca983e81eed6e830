"""Concurrent imports and API calls: no deadlock, no duplicate, exact counts."""

import threading

import pytest
from django.db.models import Count
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.imports import runner
from audiencesync.people.models import Profile
from audiencesync.people.models.imports import Import
from audiencesync.people.writing.upsert import upsert
from tests.support.threads import Threads

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
N, AT_ONCE = 1200, 3


def file_of(key, step):
    """Return a CSV with every person twice, in an order given by ``step``."""
    numbers = [n * step % N for n in range(N)] * 2
    cells = {"external_id": "c-{0},p{0}@example.org", "email": "p{0}@example.org,"}[key]
    return f"{key},{'email' if key == 'external_id' else 'city'}\n" + "".join(
        cells.format(n) + "\n" for n in numbers
    )


def take_turns():
    """Run turns as one of several engines until no import is running."""
    while Import.objects.filter(state="running").exists():
        run = runner.lease(now=timezone.now())
        if run is None:
            threading.Event().wait(0.02)
            continue
        runner.turn(run)
        runner.release(run)


def call_api(app_group, key, step):
    """Upsert the same people as the API does, sixty at a time."""
    for start in range(0, N, 60):
        numbers = [(start + n) * step % N for n in range(60)]
        changes = [
            Change(
                external_id=f"c-{n}" if key == "external_id" else None, email=f"p{n}@example.org"
            )
            for n in numbers
        ]
        upsert(app_group, changes, now=timezone.now())


@pytest.mark.parametrize("key", ["external_id", "email"])
def test_concurrent_imports_and_api_calls_create_each_person_once(
    import_pages, acme, monkeypatch, key
):
    monkeypatch.setattr(runner, "CHUNK", 200)
    monkeypatch.setattr(runner, "AT_ONCE", AT_ONCE)
    monkeypatch.setattr(runner, "TURN_SECONDS", 0.3)
    rows = [import_pages.start(file_of(key, step)) for step in (1, 7, 1199)]
    threads = Threads()
    jobs = [take_turns] * AT_ONCE + [
        lambda step=step: call_api(acme, key, step) for step in (11, 1187)
    ]
    for job in jobs:
        threads.start(job)
    assert threads.join() == []
    for row in rows:
        row.refresh_from_db()
        assert (row.state, row.n_rows, row.n_people, row.n_rejected) == ("done", 2 * N, N, 0)
        assert row.n_created + row.n_updated == row.n_rows
    assert Profile.objects.count() == N
    assert (
        not Profile.objects.values("email_sha256").annotate(n=Count("pk")).filter(n__gt=1).exists()
    )
