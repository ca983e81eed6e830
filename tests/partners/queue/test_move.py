"""A move lets pending people of an old sync enter a new one, each exactly once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import laws
from partners.models import Batch, Delivery, Reason, Tally
from partners.queue import collect, flush, settle
from partners.queue import move as moving
from partners.queue.push import pack, send
from tests.support.queue_world import total

pytestmark = pytest.mark.thorough


@pytest.fixture
def pair(world):
    """The old and the new sync of a step."""
    return world.create_sync(world.create_audience("old")), world.create_sync(
        world.create_audience("new")
    )


@pytest.fixture
def move_people(world):
    """move_people(old, new): mark, then move as a beat does. Return the number of marked people."""

    def move(old, new):
        n = moving.move([old], to=new)
        moving.move_marked(now=timezone.now())
        assert laws.broken(now=timezone.now()) == []
        return n

    return move


def net_counts(*syncs):
    """Return the counts of a step over these syncs, without zeros."""
    return {name: n for name, n in total(syncs).items() if n}


def lease_request(world):
    """Return a leased request and its parcel."""
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    return request, pack(request, post_by=float("inf"), most_rows=10_000)


def test_all_pending_people_move_and_count_once(world, pair, move_people):
    old, new = pair
    world.enter(old, world.create_people(25))
    assert move_people(old, new) == 25
    assert world.counts(old) == {"entered": 25, "cancelled": 25}
    assert Tally.objects.get(pk=old.pk).moved == 25
    assert net_counts(old, new) == {"entered": 25, "pending": 25}
    world.drain()
    assert (world.members(old.audience), world.members(new.audience)) == (0, 25)
    assert net_counts(old, new) == {"entered": 25, "synced": 25}
    assert move_people(old, new) == 0


def test_moved_people_need_an_identifier_of_the_new_sync(world, pair, move_people):
    old, _new = pair
    by_phone = world.create_sync(world.create_audience("phones"), kinds=("phone",))
    people = world.create_people(3) + world.create_people(1, phone_sha256=b"p" * 32)
    world.enter(old, people)
    move_people(old, by_phone)
    assert world.counts(by_phone) == {"entered": 4, "pending": 1, "not_synced": 3}


def test_people_without_consent_or_erased_are_not_added(world, pair, move_people):
    old, new = pair
    people = world.create_people(4)
    world.enter(old, people)
    Profile.objects.filter(pk=people[0].pk).update(ads_consent=False)
    Profile.everybody.filter(pk=people[1].pk).delete()
    move_people(old, new)
    assert world.counts(new) == {"entered": 4, "pending": 2, "not_synced": 1, "cancelled": 1}


def test_an_add_moved_to_a_removal_is_never_sent(world, move_people):
    audience = world.create_audience()
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, world.create_people(5))
    move_people(add, remove)
    world.drain()
    assert {line.action for line in world.mappings()} == {"delete"}
    assert net_counts(add, remove) == {"entered": 5, "synced": 5}


def test_a_batch_in_flight_is_settled_by_its_answer(world, pair, move_people):
    old, new = pair
    world.enter(old, world.create_people(5))
    _request, parcel = lease_request(world)
    assert move_people(old, new) == 5  # marked only: the answer comes first
    assert world.counts(old) == {"entered": 5, "pending": 5}
    settle.settle(send(parcel, at=0), now=timezone.now())
    world.drain()
    assert net_counts(old, new) == {"entered": 5, "synced": 5}
    assert (world.members(old.audience), world.members(new.audience)) == (5, 0)


@pytest.mark.parametrize("is_at_deadline", [False, True])
def test_a_failed_batch_in_flight_is_moved_even_at_its_deadline(world, pair, is_at_deadline):
    old, new = pair
    world.enter(old, world.create_people(5))
    world.set_fault("code", code=50000, count=1)
    _request, parcel = lease_request(world)
    if is_at_deadline:
        past = timezone.now() - timedelta(minutes=1)
        Batch.objects.update(first_failed_at=past, deadline_at=past)
    moving.move([old], to=new)
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert (
        collect.plan(world.eu.lane, most=9, now=timezone.now() + timedelta(hours=1)) == []
    )  # not sent again
    flush.beat()
    world.drain()
    assert net_counts(old, new) == {"entered": 5, "synced": 5}
    assert (world.members(old.audience), world.members(new.audience)) == (0, 5)
    assert laws.broken(now=timezone.now()) == []


def test_an_applied_add_without_an_answer_is_reverted(world, pair, move_people):
    old, new = pair
    world.enter(old, world.create_people(5))
    world.set_fault("apply_then_drop", count=1)
    _request, parcel = lease_request(world)
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert world.members(old.audience) == 5
    move_people(old, new)
    world.drain()
    assert (world.members(old.audience), world.members(new.audience)) == (0, 5)


def test_a_moved_add_sent_by_a_late_worker_is_reverted(world, pair, move_people):
    old, new = pair
    world.enter(old, world.create_people(5))
    parcel = world.build_late_request()
    move_people(old, new)
    world.drain()
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert world.members(old.audience) == 5
    world.drain()
    assert (world.members(old.audience), world.members(new.audience)) == (0, 5)
    assert net_counts(old, new) == {"entered": 5, "synced": 5}


def test_a_move_does_not_overrule_a_newer_removal(world, pair, move_people):
    old, new = pair
    people = world.create_people(3)
    world.enter(old, people, now=timezone.now() - timedelta(hours=1))
    world.enter(world.create_sync(new.audience, "remove"), people[:1])
    move_people(old, new)
    world.drain()
    assert world.members(new.audience) == 2
    assert (
        Delivery.objects.filter(sync=old, outcome="cancelled", reason=Reason.SUPERSEDED).count()
        == 1
    )
    assert net_counts(old, new) == {"entered": 3, "synced": 2, "cancelled": 1}


def test_people_who_are_marked_already_are_not_counted_again(world, pair):
    old, new = pair
    world.enter(old, world.create_people(3))
    assert (moving.move([old], to=new), moving.move([old], to=new)) == (3, 0)
    assert (moving.discard([old]), moving.discard([old])) == (3, 0)
