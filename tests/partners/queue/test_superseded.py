"""Only who enters anew and can be sent has a new wish: nobody else's removal is cancelled for it."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from partners.models import Reason
from partners.queue import collect, removals, settle
from partners.queue.push import pack, send


@pytest.fixture
def leaving(world):
    """Three people who are in an audience and wait to be taken out, and who asked: (add, remove, people)."""
    audience, people = world.audience(), world.people(3)
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, people)
    world.drain()
    world.enter(remove, people)
    return add, remove, people


def _all_leave(world, remove):
    world.drain()
    assert world.counts(remove) == {"entered": 3, "synced": 3}
    assert world.members(remove.audience) == 0


def test_a_repeated_call_cancels_nothing(world, leaving):
    add, remove, people = leaving
    assert world.enter(add, people) == 0
    _all_leave(world, remove)


def test_who_refuses_to_be_added_is_taken_out(world, leaving):
    _add, remove, people = leaving
    again = world.sync(remove.audience)
    Profile.objects.update(ads_consent=False)
    world.enter(again, people)
    _all_leave(world, remove)
    assert world.counts(again) == {"entered": 3, "not_synced": 3}


def test_whoever_enters_anew_stays(world, leaving):
    _add, remove, people = leaving
    world.enter(world.sync(remove.audience), people[:1])
    world.drain()
    assert world.counts(remove) == {"entered": 3, "cancelled": 1, "synced": 2}
    assert world.members(remove.audience) == 1


def test_an_add_that_came_to_nothing_saves_nobody_from_a_removal_under_way(world, leaving):
    _add, remove, people = leaving
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10)
    again = world.sync(remove.audience)
    world.enter(again, people)
    Profile.objects.update(ads_consent=False)
    removals.cancel_adds([person.pk for person in people], Reason.NO_CONSENT, now=timezone.now())
    assert world.counts(again) == {"entered": 3, "cancelled": 3}
    world.fault("code", code=50000, count=1)
    settle.settle(send(parcel, at=0), now=timezone.now())
    _all_leave(world, remove)
