"""A purge may run at the same time as retries, enqueues, pushes and a second purge."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from audiencesync.groups import retention as groups_retention
from audiencesync.groups.models import PurgeCursor
from audiencesync.people.models import Profile
from canvases import laws
from partners import housekeeping, sync
from partners.models import Batch, Delivery, Tally

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def errored_syncs(world):
    """Two syncs of one audience with people errored 200 days ago."""
    audience, people = world.create_audience(), world.create_people(60)
    syncs = [world.create_sync(audience) for _ in range(2)]
    long_ago = timezone.now() - timedelta(days=200)
    for to_sync in syncs:
        world.enter(to_sync, people)
        Batch.objects.filter(sync=to_sync).update(
            state="errored", settled_at=long_ago, last_code="50000"
        )
        Tally.objects.filter(sync=to_sync).update(pending=0, errored=60)
    return syncs


def purge():
    PurgeCursor.objects.update(begun_at=None, after=0)
    housekeeping.purge(now=timezone.now())


def in_thread(errors, function, times=6):
    def run():
        try:
            for _turn in range(times):
                function()
        except DatabaseError as error:  # a deadlock or a broken constraint
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_purge_waits_for_an_open_retry(world, errored_syncs):
    errors = []
    with transaction.atomic():
        assert sync.retry_errored(errored_syncs[0], now=timezone.now()) == 60
        other = in_thread(errors, purge, times=1)
        other.join(0.7)  # then it waits for the batch, or (SQLite) for the database
    other.join(30)
    assert not other.is_alive()
    assert errors == []
    assert laws.broken(now=timezone.now()) == []
    assert (
        Tally.objects.get(sync=errored_syncs[0]).pending
        == Delivery.objects.filter(sync=errored_syncs[0]).count()
        == 60
    )


def test_the_laws_hold_and_all_people_are_synced(world, errored_syncs, monkeypatch):
    monkeypatch.setattr(groups_retention, "CHUNK", 20)
    audience, people = errored_syncs[0].audience, list(Profile.objects.all())
    last = world.create_sync(audience)
    errors = []
    functions = [
        purge,
        purge,
        lambda: sync.retry_errored(errored_syncs[0], now=timezone.now()),
        lambda: sync.retry_errored(errored_syncs[1], now=timezone.now()),
        lambda: world.enter(last, people),
        lambda: world.flush(seconds=0.3),
    ]
    threads = [in_thread(errors, function) for function in functions]
    for thread in threads:
        thread.join(150)
    assert not any(thread.is_alive() for thread in threads)
    world.drain()
    assert errors == []
    assert laws.broken(now=timezone.now()) == []
    assert world.members(audience) == 60
    for one in (*errored_syncs, last):
        counts = Tally.objects.get(sync=one)
        dropped = sum(n for why in counts.base.values() for n in why.values())
        assert Delivery.objects.filter(sync=one).count() + dropped == counts.entered == 60
