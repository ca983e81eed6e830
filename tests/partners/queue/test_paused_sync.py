"""A paused sync keeps its adds and their retry window, and blocks no other sync."""

from datetime import timedelta

import pytest
from django.utils import timezone

from partners import sync
from partners.models import Batch, Sync
from partners.queue import collect, flush, settle
from partners.queue.push import pack, send

pytestmark = pytest.mark.thorough


def _pause(sync_row):
    sync.pause(Sync.objects.filter(pk=sync_row.pk))


def _resume(sync_row):
    sync.resume(Sync.objects.filter(pk=sync_row.pk))


def _send_now(parcel):
    return send(parcel, at=0)


def _age_batches(days):
    """Shift the retry window of every tried batch into the past."""
    for row in Batch.objects.exclude(first_failed_at=None):
        row.first_failed_at -= timedelta(days=days)
        row.deadline_at -= timedelta(days=days)
        row.due_at -= timedelta(days=days)
        row.save()


@pytest.fixture
def failed_sync(world):
    """Three people whose retry window has begun."""
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    world.set_fault("code", code=50000, count=1)
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10)
    settle.settle(_send_now(parcel), now=timezone.now())
    assert Batch.objects.get().deadline_at is not None
    return sync_row


def test_paused_time_does_not_count_in_the_retry_window(world, failed_sync):
    _pause(failed_sync)
    _age_batches(2)
    flush.beat()
    assert world.counts(failed_sync) == {"entered": 3, "pending": 3}
    _resume(failed_sync)
    world.set_fault("code", code=50000, count=1)  # in the old window, this would be the last try
    world.drain()
    assert world.counts(failed_sync) == {"entered": 3, "synced": 3}


def test_people_are_errored_after_the_retry_window_without_a_pause(world, failed_sync):
    _age_batches(2)
    world.set_fault("code", code=50000, count=1)
    world.drain()
    assert world.counts(failed_sync) == {"entered": 3, "errored": 3}


def test_the_repeat_of_a_paused_add_is_sent_and_blocks_no_removal(world):
    audience, people = world.create_audience(), world.create_people(5)
    first, remove, add = (
        world.create_sync(audience),
        world.create_sync(audience, "remove"),
        world.create_sync(audience),
    )
    world.enter(first, people)
    world.flush()
    world.enter(remove, people[:2])
    # A worker prepares the removal and loses its lease; another one sends it.
    [late] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(late, now=timezone.now())
    parcel = pack(late, post_by=float("inf"), most_rows=10)
    Batch.objects.filter(lease=late.lease).update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())
    world.flush()
    world.enter(add, people[:2])
    world.flush()
    _pause(add)
    # The first worker sends the removal late. It removes the two people again, so the later add is
    # repeated.
    settle.settle(_send_now(parcel), now=timezone.now())
    later = world.create_sync(audience, "remove")
    world.enter(later, people[2:])
    world.drain()
    assert world.counts(later) == {"entered": 3, "synced": 3}
    assert world.members(audience) == 2  # a repeat is sent although its sync is paused
