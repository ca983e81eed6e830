"""A discard takes back (reverts) an add if any attempt may have arrived, not only the last one."""

import pytest
from django.utils import timezone

from partners import sync
from partners.models import Batch, Outcome
from partners.queue import collect, settle
from partners.queue.push import pack, send

pytestmark = pytest.mark.thorough


@pytest.fixture
def sync_row(world):
    """A sync with three pending people."""
    row = world.create_sync()
    world.enter(row, world.create_people(3))
    return row


def _lease_request(world):
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    return pack(request, post_by=float("inf"), most_rows=10_000)


def _attempt(world):
    settle.settle(send(_lease_request(world), at=0), now=timezone.now())


def _push_and_lose_the_worker(world):
    send(_lease_request(world), at=0)
    Batch.objects.update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())


def _assert_discard_reverts_the_add(world, sync_row, *, arrived=3):
    assert world.members(sync_row.audience) == arrived
    assert sync.discard(connection=world.connection, now=timezone.now()) == 3
    world.drain()
    assert world.members(sync_row.audience) == 0
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}


def test_discard_reverts_an_add_of_a_dead_worker(world, sync_row):
    _push_and_lose_the_worker(world)
    _assert_discard_reverts_the_add(world, sync_row)


def test_discard_reverts_an_add_of_a_dead_worker_whose_retry_was_throttled(world, sync_row):
    _push_and_lose_the_worker(world)
    world.set_fault("code", code=40100, count=1)
    _attempt(world)
    _assert_discard_reverts_the_add(world, sync_row)


def test_discard_reverts_a_partial_success_without_named_rows(world, sync_row):
    world.set_fault("partial", rows=[0], named=False, count=1)
    _attempt(world)
    _assert_discard_reverts_the_add(world, sync_row, arrived=2)


def test_discard_reverts_a_partial_success_of_several_batches(world, sync_row):
    other = world.create_sync(world.create_audience("other"))
    world.enter(other, world.create_people(3))
    world.set_fault("partial", rows=[0], named=False, count=1)
    _attempt(world)
    assert world.members(sync_row.audience) + world.members(other.audience) == 5
    assert sync.discard(connection=world.connection, now=timezone.now()) == 6
    world.drain()
    assert world.members(sync_row.audience) == world.members(other.audience) == 0


def test_discard_reverts_a_retried_add_that_had_no_answer(world, sync_row):
    world.set_fault("apply_then_drop", count=1)
    Batch.objects.update(first_failed_at=timezone.now(), deadline_at=timezone.now())
    _attempt(world)
    assert not Batch.objects.exclude(state=Outcome.ERRORED).exists()
    assert sync.retry_errored(sync_row, now=timezone.now()) == 3
    _assert_discard_reverts_the_add(world, sync_row)


def test_discard_sends_no_removal_for_a_rejected_add(world, sync_row):
    world.set_fault("code", code=40002, count=1)
    _attempt(world)
    assert sync.discard(connection=world.connection, now=timezone.now()) == 3
    assert not Batch.objects.filter(state=Outcome.PENDING).exists()


def test_discard_reverts_a_partial_success_before_a_split(world, sync_row):
    world.set_fault("code", code=40002, count=1)
    world.set_fault("partial", rows=[0], named=False, count=1)
    _attempt(world)
    Batch.objects.update(due_at=timezone.now())
    _attempt(world)
    assert sync_row.batches.count() == 2  # split in two to find the rejected rows
    _assert_discard_reverts_the_add(world, sync_row, arrived=2)
