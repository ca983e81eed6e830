"""Only a new add of the same person that can be sent supersedes a removal."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from partners.models import Reason
from partners.queue import collect, settle
from partners.queue.push import pack, send
from partners.queue.removals import removal

pytestmark = pytest.mark.thorough


@pytest.fixture
def pending_removal(world):
    """Three synced people with a pending removal. Shape: (add, remove, people)."""
    audience, people = world.create_audience(), world.create_people(3)
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, people)
    world.drain()
    world.enter(remove, people)
    return add, remove, people


def _assert_all_removed(world, remove):
    world.drain()
    assert world.counts(remove) == {"entered": 3, "synced": 3}
    assert world.members(remove.audience) == 0


def test_a_repeated_enqueue_supersedes_no_removal(world, pending_removal):
    add, remove, people = pending_removal
    assert world.enter(add, people) == 0
    _assert_all_removed(world, remove)


def test_an_add_without_consent_supersedes_no_removal(world, pending_removal):
    _add, remove, people = pending_removal
    again = world.create_sync(remove.audience)
    Profile.objects.update(ads_consent=False)
    world.enter(again, people)
    _assert_all_removed(world, remove)
    assert world.counts(again) == {"entered": 3, "not_synced": 3}


def test_a_new_add_supersedes_the_removal(world, pending_removal):
    _add, remove, people = pending_removal
    world.enter(world.create_sync(remove.audience), people[:1])
    world.drain()
    assert world.counts(remove) == {"entered": 3, "cancelled": 1, "synced": 2}
    assert world.members(remove.audience) == 1


def test_a_cancelled_add_supersedes_no_removal_in_flight(world, pending_removal):
    _add, remove, people = pending_removal
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10)
    again = world.create_sync(remove.audience)
    world.enter(again, people)
    Profile.objects.update(ads_consent=False)
    removal.cancel_adds([person.pk for person in people], Reason.NO_CONSENT, now=timezone.now())
    assert world.counts(again) == {"entered": 3, "cancelled": 3}
    world.set_fault("code", code=50000, count=1)
    settle.settle(send(parcel, at=0), now=timezone.now())
    _assert_all_removed(world, remove)
