"""People who wait for what a step asked before enter what it asks now: each once, whatever happens meanwhile."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import laws
from partners import sync
from partners.models import Batch, Delivery, Reason, Sync, Tally
from partners.queue import collect, flush, settle
from partners.queue import move as moving
from partners.queue.push import pack, send


@pytest.fixture
def pair(world):
    """What a step asked before, and what it asks now."""
    return world.sync(world.audience("old")), world.sync(world.audience("new"))


@pytest.fixture
def moved(world):
    """Mark, then move as a beat does; answers how many were marked."""

    def move(old, new):
        n = moving.move([old], to=new)
        moving.go_on(now=timezone.now())
        assert laws.broken(now=timezone.now()) == []
        return n

    return move


def net(*syncs):
    """The numbers of a step that has had these Syncs."""
    return {
        name: n
        for name, n in sync.total(Sync.objects.filter(pk__in=[one.pk for one in syncs])).items()
        if n
    }


def under_way(world):
    """A request that a worker has built and leased."""
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    return request, pack(request, post_by=float("inf"), most_rows=10_000)


def test_everybody_goes_to_the_new_audience_and_counts_once(world, pair, moved):
    old, new = pair
    world.enter(old, world.people(25))
    assert moved(old, new) == 25
    assert world.counts(old) == {"entered": 25, "cancelled": 25}
    assert Tally.objects.get(pk=old.pk).moved == 25
    assert net(old, new) == {"entered": 25, "pending": 25}
    world.drain()
    assert (world.members(old.audience), world.members(new.audience)) == (0, 25)
    assert net(old, new) == {"entered": 25, "synced": 25}
    assert moved(old, new) == 0


def test_they_are_judged_by_the_fields_that_are_asked_now(world, pair, moved):
    old, _new = pair
    by_phone = world.sync(world.audience("phones"), kinds=("phone",))
    people = world.people(3) + world.people(1, phone_sha256=b"p" * 32)
    world.enter(old, people)
    moved(old, by_phone)
    assert world.counts(by_phone) == {"entered": 4, "pending": 1, "not_synced": 3}


def test_who_withdrew_or_was_erased_meanwhile_is_not_added(world, pair, moved):
    old, new = pair
    people = world.people(4)
    world.enter(old, people)
    Profile.objects.filter(pk=people[0].pk).update(ads_consent=False)
    Profile.everybody.filter(pk=people[1].pk).delete()
    moved(old, new)
    assert world.counts(new) == {"entered": 4, "pending": 2, "not_synced": 1, "cancelled": 1}


def test_an_add_becomes_a_removal_and_what_waited_is_not_sent_before(world, moved):
    audience = world.audience()
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, world.people(5))
    moved(add, remove)
    world.drain()
    assert {line.action for line in world.mappings()} == {"delete"}
    assert net(add, remove) == {"entered": 5, "synced": 5}


def test_what_is_under_way_is_decided_by_its_answer(world, pair, moved):
    old, new = pair
    world.enter(old, world.people(5))
    _request, parcel = under_way(world)
    assert moved(old, new) == 5  # marked; the answer decides first
    assert world.counts(old) == {"entered": 5, "pending": 5}
    settle.settle(send(parcel, at=0), now=timezone.now())
    world.drain()
    assert net(old, new) == {"entered": 5, "synced": 5}
    assert (world.members(old.audience), world.members(new.audience)) == (5, 0)


@pytest.mark.parametrize("is_over", [False, True])
def test_what_comes_back_unsent_is_moved_then_even_at_its_deadline(world, pair, is_over):
    old, new = pair
    world.enter(old, world.people(5))
    world.fault("code", code=50000, count=1)
    _request, parcel = under_way(world)
    if is_over:
        past = timezone.now() - timedelta(minutes=1)
        Batch.objects.update(first_failed_at=past, deadline_at=past)
    moving.move([old], to=new)
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert (
        collect.plan(world.eu.remote_id, most=9, now=timezone.now() + timedelta(hours=1)) == []
    )  # not sent again
    flush.beat()
    world.drain()
    assert net(old, new) == {"entered": 5, "synced": 5}
    assert (world.members(old.audience), world.members(new.audience)) == (0, 5)
    assert laws.broken(now=timezone.now()) == []


def test_adds_that_arrived_although_the_answer_was_lost_are_taken_back(world, pair, moved):
    old, new = pair
    world.enter(old, world.people(5))
    world.fault("apply_then_drop", count=1)
    _request, parcel = under_way(world)
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert world.members(old.audience) == 5
    moved(old, new)
    world.drain()
    assert (world.members(old.audience), world.members(new.audience)) == (0, 5)


def test_a_worker_that_stood_still_and_sends_late_leaves_nobody_in_the_old_audience(
    world, pair, moved
):
    old, new = pair
    world.enter(old, world.people(5))
    parcel = world.frozen_before_the_call()
    moved(old, new)
    world.drain()
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert world.members(old.audience) == 5
    world.drain()
    assert (world.members(old.audience), world.members(new.audience)) == (0, 5)
    assert net(old, new) == {"entered": 5, "synced": 5}


def test_who_was_removed_from_the_new_audience_later_on_is_not_added_by_the_move(
    world, pair, moved
):
    old, new = pair
    people = world.people(3)
    world.enter(old, people, now=timezone.now() - timedelta(hours=1))
    world.enter(world.sync(new.audience, "remove"), people[:1])
    moved(old, new)
    world.drain()
    assert world.members(new.audience) == 2
    assert (
        Delivery.objects.filter(sync=old, outcome="cancelled", reason=Reason.SUPERSEDED).count()
        == 1
    )
    assert net(old, new) == {"entered": 3, "synced": 2, "cancelled": 1}
