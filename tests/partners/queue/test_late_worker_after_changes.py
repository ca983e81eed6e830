"""A late request does not undo what happened to its people since: split, discard, retry."""

import pytest
from django.utils import timezone

from partners import sync
from partners.models import Batch
from partners.queue import collect, settle
from partners.queue.push import pack, send

pytestmark = pytest.mark.thorough


@pytest.fixture
def sync_row(world):
    """A sync with four pending people."""
    row = world.create_sync()
    world.enter(row, world.create_people(4))
    return row


@pytest.fixture
def send_late_request(world, sync_row):
    """send_late_request(): send a request built before its lease expired, then drain the queue."""
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10_000)
    Batch.objects.update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())

    def send_late():
        settle.settle(send(parcel, at=0), now=timezone.now())
        assert world.members(sync_row.audience) == 4
        world.drain()

    return send_late


def test_a_late_push_of_split_and_discarded_batches_is_reverted(world, sync_row, send_late_request):
    world.set_fault("code", code=40011, count=1)
    world.set_fault("code", code=50000)
    while sync_row.batches.count() < 2:
        world.flush(seconds=1)
    world.sandbox.heal()
    sync.discard(connection=world.connection, now=timezone.now())
    world.drain()
    assert world.members(sync_row.audience) == 0
    send_late_request()
    assert world.members(sync_row.audience) == 0
    assert world.counts(sync_row) == {"entered": 4, "cancelled": 4}


def test_a_late_push_of_a_reverted_add_is_reverted_again(world, sync_row, send_late_request):
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    second = pack(request, post_by=float("inf"), most_rows=10_000)
    sync.discard(connection=world.connection, now=timezone.now())
    settle.settle(send(second, at=0), now=timezone.now())
    world.drain()
    assert world.members(sync_row.audience) == 0
    send_late_request()
    assert world.members(sync_row.audience) == 0
    assert world.counts(sync_row) == {"entered": 4, "synced": 4}


def test_a_late_push_of_retried_people_does_not_overrule_their_removal(
    world, sync_row, send_late_request
):
    remove, people = (
        world.create_sync(sync_row.audience, "remove"),
        [row.profile for row in sync_row.deliveries.all()],
    )
    world.set_fault("code", code=40002)
    world.drain()
    assert world.counts(sync_row) == {"entered": 4, "errored": 4}
    world.sandbox.heal()
    sync.retry_errored(sync_row, now=timezone.now())
    world.drain()
    world.enter(remove, people)
    world.drain()
    assert world.members(sync_row.audience) == 0
    send_late_request()
    assert world.members(sync_row.audience) == 0
