"""A discard during a call cancels a failed add, and takes back one that may have arrived."""

import pytest
from django.utils import timezone

from audiencesync.people.models import PastIdentifier, Profile
from partners import sync
from partners.models import Batch
from partners.queue import collect, flush, settle
from partners.queue.push import pack, send

pytestmark = pytest.mark.thorough


def _lease_then_discard(world):
    """Lease a request, then discard its people. Return its parcel, which is not sent yet."""
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10_000)
    assert sync.discard(ad_account=world.eu, now=timezone.now()) == 0
    return parcel


def _send_and_settle(parcel):
    settle.settle(send(parcel, at=0), now=timezone.now())


def test_an_applied_add_is_counted_as_synced_and_reverted(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    _send_and_settle(_lease_then_discard(world))
    assert world.members(sync_row.audience) == 3
    world.drain()
    assert world.counts(sync_row) == {"entered": 3, "synced": 3}
    assert world.members(sync_row.audience) == 0
    assert len(world.mappings()) == 2


def test_an_add_without_an_answer_is_cancelled_and_reverted(world):
    world.set_fault("apply_then_drop", count=1)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    _send_and_settle(_lease_then_discard(world))
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}
    world.drain()
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}
    assert world.members(sync_row.audience) == 0


@pytest.mark.parametrize("code", [40100, 40105, 40007, 40001, 40011, 40002])
def test_a_rejected_add_is_cancelled_and_not_reverted(world, code):
    world.set_fault("code", code=code, count=1)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    _send_and_settle(_lease_then_discard(world))
    flush.beat()
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}
    assert len(world.mappings()) == 1
    assert not Batch.objects.filter(state="pending").exists()


def test_people_of_another_synced_add_stay_in_the_audience(world):
    audience, people = world.create_audience(), world.create_people(4)
    world.enter(world.create_sync(audience), people[:2])
    world.drain()
    removal = world.create_sync(audience, "remove")
    world.enter(removal, people[1:2])
    world.drain()
    world.enter(world.create_sync(audience), people)
    _send_and_settle(_lease_then_discard(world))
    world.drain()
    assert world.members(audience) == 1


def test_people_synced_by_a_past_hash_stay_in_the_audience(world):
    audience, [person] = world.create_audience(), world.create_people(1)
    world.enter(world.create_sync(audience), [person])
    world.drain()
    PastIdentifier.objects.create(profile=person, kind="email", sha256=person.email_sha256)
    Profile.objects.filter(pk=person.pk).update(email_sha256=b"n" * 32)
    world.enter(world.create_sync(audience), [person])
    world.set_fault("drop", count=1)
    _send_and_settle(_lease_then_discard(world))
    world.drain()
    assert not Batch.objects.filter(state="pending").exists()
    assert world.members(audience) == 1


def test_a_discarded_removal_is_not_reverted(world):
    audience, people = world.create_audience(), world.create_people(2)
    world.enter(world.create_sync(audience), people)
    world.drain()
    removal = world.create_sync(audience, "remove")
    world.enter(removal, people)
    _send_and_settle(_lease_then_discard(world))
    world.drain()
    assert world.counts(removal) == {"entered": 2, "synced": 2}
    assert world.members(audience) == 0


def test_a_discarded_add_sent_by_a_late_worker_is_reverted(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    parcel = _lease_then_discard(world)
    Batch.objects.update(lease_until=timezone.now())
    flush.beat()
    world.drain()
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}
    _send_and_settle(parcel)
    assert world.members(sync_row.audience) == 3
    world.drain()
    assert world.members(sync_row.audience) == 0
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}


def test_people_who_enter_again_are_sent_after_the_revert(world):
    audience, people = world.create_audience(), world.create_people(3)
    world.enter(world.create_sync(audience), people)
    parcel = _lease_then_discard(world)
    world.enter(world.create_sync(audience), people[:1])
    _send_and_settle(parcel)
    world.drain()
    assert world.members(audience) == 1


def test_a_pending_add_without_an_answer_is_reverted(world):
    world.set_fault("apply_then_drop", count=1)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    _send_and_settle(pack(request, post_by=float("inf"), most_rows=10_000))
    assert world.members(sync_row.audience) == 3
    assert sync.discard(ad_account=world.eu, now=timezone.now()) == 3
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}
    world.drain()
    assert world.members(sync_row.audience) == 0
