"""A request after its lease expired counts nothing twice, and does not undo newer operations."""

import pytest
from django.utils import timezone

from partners import sync
from partners.models import Batch
from partners.queue import collect, flush, settle
from partners.queue.push import send

pytestmark = pytest.mark.thorough


def test_a_late_push_counts_nothing_twice(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    late = world.build_late_request()
    world.flush()
    settle.settle(send(late, at=0), now=timezone.now())
    assert world.counts(sync_row) == {"entered": 3, "synced": 3}
    assert world.members(sync_row.audience) == 3


def test_a_late_add_makes_the_newer_removal_repeat(world):
    audience, people = world.create_audience(), world.create_people(5)
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, people)
    late = world.build_late_request()
    world.flush()
    world.enter(remove, people)
    world.flush()
    settle.settle(send(late, at=0), now=timezone.now())
    assert world.members(audience) == 5
    world.drain()
    assert world.members(audience) == 0
    assert world.counts(remove) == {"entered": 5, "synced": 5}
    assert world.counts(add) == {"entered": 5, "synced": 5}


def test_an_add_after_the_repeated_removal_is_sent_last(world):
    audience, people = world.create_audience(), world.create_people(5)
    add, remove, again = (
        world.create_sync(audience),
        world.create_sync(audience, "remove"),
        world.create_sync(audience),
    )
    world.enter(add, people)
    late = world.build_late_request()
    world.flush()
    world.enter(remove, people)
    world.flush()
    settle.settle(send(late, at=0), now=timezone.now())
    world.enter(again, people)
    world.drain()
    assert world.members(audience) == 5


def test_an_expired_lease_releases_the_batch(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(2))
    world.build_late_request()
    world.flush()
    assert world.counts(sync_row) == {"entered": 2, "synced": 2}


def test_a_batch_discarded_in_flight_is_cancelled_when_its_lease_expires(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    assert sync.discard(connection=world.connection, now=timezone.now()) == 0
    Batch.objects.update(lease_until=timezone.now())
    flush.beat()
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}
    assert world.members(sync_row.audience) == 0
