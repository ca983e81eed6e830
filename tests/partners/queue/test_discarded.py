"""What is discarded while it is under way: cancelled if it did not arrive, else taken back, and nobody else with it."""

import pytest
from django.utils import timezone

from audiencesync.people.models import PastIdentifier, Profile
from partners import sync
from partners.models import Batch
from partners.queue import collect, flush, settle
from partners.queue.push import pack, send


def _under_way(world):
    """A request as a worker holds it just before the call; then an admin discards."""
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10_000)
    assert sync.discard(ad_account=world.eu, now=timezone.now()) == 0
    return parcel


def _answered(parcel):
    settle.settle(send(parcel, at=0), now=timezone.now())


def test_what_arrived_is_synced_and_taken_back(world):
    asked = world.sync()
    world.enter(asked, world.people(3))
    _answered(_under_way(world))
    assert world.members(asked.audience) == 3
    world.drain()
    assert world.counts(asked) == {"entered": 3, "synced": 3}
    assert world.members(asked.audience) == 0
    assert len(world.mappings()) == 2


def test_what_perhaps_arrived_is_cancelled_and_taken_back(world):
    world.fault("apply_then_drop", count=1)
    asked = world.sync()
    world.enter(asked, world.people(3))
    _answered(_under_way(world))
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}
    world.drain()
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}
    assert world.members(asked.audience) == 0


@pytest.mark.parametrize("code", [40100, 40105, 40007, 40001, 40011, 40002])
def test_what_did_not_arrive_is_cancelled_and_that_is_all(world, code):
    world.fault("code", code=code, count=1)
    asked = world.sync()
    world.enter(asked, world.people(3))
    _answered(_under_way(world))
    flush.beat()
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}
    assert len(world.mappings()) == 1
    assert not Batch.objects.filter(state="pending").exists()


def test_who_is_wanted_by_another_wish_stays(world):
    audience, people = world.audience(), world.people(4)
    world.enter(world.sync(audience), people[:2])
    world.drain()
    left = world.sync(audience, "remove")
    world.enter(left, people[1:2])
    world.drain()
    world.enter(world.sync(audience), people)
    _answered(_under_way(world))
    world.drain()
    assert world.members(audience) == 1


def test_who_is_wanted_under_a_hash_of_the_past_stays(world):
    audience, [person] = world.audience(), world.people(1)
    world.enter(world.sync(audience), [person])
    world.drain()
    PastIdentifier.objects.create(profile=person, kind="email", sha256=person.email_sha256)
    Profile.objects.filter(pk=person.pk).update(email_sha256=b"n" * 32)
    world.enter(world.sync(audience), [person])
    world.fault("drop", count=1)
    _answered(_under_way(world))
    world.drain()
    assert not Batch.objects.filter(state="pending").exists()
    assert world.members(audience) == 1


def test_a_removal_is_not_taken_back(world):
    audience, people = world.audience(), world.people(2)
    world.enter(world.sync(audience), people)
    world.drain()
    leave = world.sync(audience, "remove")
    world.enter(leave, people)
    _answered(_under_way(world))
    world.drain()
    assert world.counts(leave) == {"entered": 2, "synced": 2}
    assert world.members(audience) == 0


def test_a_frozen_worker_sends_what_was_discarded(world):
    asked = world.sync()
    world.enter(asked, world.people(3))
    parcel = _under_way(world)
    Batch.objects.update(lease_until=timezone.now())
    flush.beat()
    world.drain()
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}
    _answered(parcel)
    assert world.members(asked.audience) == 3
    world.drain()
    assert world.members(asked.audience) == 0
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}


def test_who_comes_back_is_sent_after_it_was_taken_back(world):
    audience, people = world.audience(), world.people(3)
    world.enter(world.sync(audience), people)
    parcel = _under_way(world)
    world.enter(world.sync(audience), people[:1])
    _answered(parcel)
    world.drain()
    assert world.members(audience) == 1


def test_who_waits_after_an_unclear_answer_is_taken_back_as_well(world):
    world.fault("apply_then_drop", count=1)
    asked = world.sync()
    world.enter(asked, world.people(3))
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    _answered(pack(request, post_by=float("inf"), most_rows=10_000))
    assert world.members(asked.audience) == 3
    assert sync.discard(ad_account=world.eu, now=timezone.now()) == 3
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}
    world.drain()
    assert world.members(asked.audience) == 0
