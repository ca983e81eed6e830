"""A worker sends late what has been cut, discarded or tried again since: the last wish wins all the same."""

import pytest
from django.utils import timezone

from partners import sync
from partners.models import Batch
from partners.queue import collect, settle
from partners.queue.push import pack, send


@pytest.fixture
def asked(world):
    """A Sync that four people have entered."""
    made = world.sync()
    world.enter(made, world.people(4))
    return made


@pytest.fixture
def late(world, asked):
    """late() sends what a worker had built before it lost its lease."""
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10_000)
    Batch.objects.update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())

    def go_on():
        settle.settle(send(parcel, at=0), now=timezone.now())
        assert world.members(asked.audience) == 4
        world.drain()

    return go_on


def test_pieces_that_were_discarded_are_taken_back(world, asked, late):
    world.fault("code", code=40011, count=1)
    world.fault("code", code=50000)
    world.flush(seconds=1)
    assert asked.batches.count() == 2
    world.sandbox.heal()
    sync.discard(connection=world.connection, now=timezone.now())
    world.drain()
    assert world.members(asked.audience) == 0
    late()
    assert world.members(asked.audience) == 0
    assert world.counts(asked) == {"entered": 4, "cancelled": 4}


def test_what_arrived_and_was_taken_back_is_taken_back_again(world, asked, late):
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    second = pack(request, post_by=float("inf"), most_rows=10_000)
    sync.discard(connection=world.connection, now=timezone.now())
    settle.settle(send(second, at=0), now=timezone.now())
    world.drain()
    assert world.members(asked.audience) == 0
    late()
    assert world.members(asked.audience) == 0
    assert world.counts(asked) == {"entered": 4, "synced": 4}


def test_who_was_errored_and_tried_again_is_still_taken_out(world, asked, late):
    remove, people = (
        world.sync(asked.audience, "remove"),
        [row.profile for row in asked.deliveries.all()],
    )
    world.fault("code", code=40002)
    world.drain()
    assert world.counts(asked) == {"entered": 4, "errored": 4}
    world.sandbox.heal()
    sync.retry_errored(asked, now=timezone.now())
    world.drain()
    world.enter(remove, people)
    world.drain()
    assert world.members(asked.audience) == 0
    late()
    assert world.members(asked.audience) == 0
