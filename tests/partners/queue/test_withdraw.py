"""People who leave are removed again, unless another Sync still wants them in the audience."""

import pytest
from django.db import transaction
from django.utils import timezone

from canvases import laws
from partners import sync
from partners.models import Delivery, Reason, Sync

pytestmark = pytest.mark.thorough


@pytest.fixture
def leave():
    """leave(sync, people): remove them again. Return how many adds were reverted."""

    def withdraw(one, people):
        with transaction.atomic():
            n = sync.withdraw(one, [person.pk for person in people], now=timezone.now())
        assert laws.broken(now=timezone.now()) == []
        return n

    return withdraw


@pytest.fixture
def pair(world):
    """Two Syncs that added the same two people to the same audience. Shape: (a, b, people)."""
    audience, people = world.audience(), world.people(2)
    one, other = world.sync(audience), world.sync(audience)
    for adds in (one, other):
        world.enter(adds, people)
    world.drain()
    return one, other, people


def undoing(one):
    return Sync.objects.get(undoes=one)


def reasons(one):
    return list(Delivery.objects.filter(sync=one).order_by("pk").values_list("reason", flat=True))


def test_people_who_leave_are_removed_with_all_kinds(world, leave):
    one, people = world.sync(), world.people(3)
    world.enter(one, people)
    world.drain()
    assert leave(one, people[:2]) == 2
    world.drain()
    assert world.members(one.audience) == 1
    assert world.counts(undoing(one)) == {"entered": 2, "synced": 2}
    assert set(undoing(one).kinds) == {"email", "phone", "idfa", "gaid"}
    assert (undoing(one).label, undoing(one).url) == (one.label, one.url)


def test_each_add_is_reverted_once(world, leave):
    one, people = world.sync(), world.people(2)
    world.enter(one, people)
    assert leave(one, people) == 2
    assert leave(one, people) == 0
    world.drain()
    assert leave(one, people) == 0
    assert world.counts(undoing(one)) == {"entered": 2, "synced": 2}


def test_a_pending_add_is_superseded(world, leave):
    one, people = world.sync(), world.people(1)
    world.enter(one, people)
    leave(one, people)
    assert world.counts(one) == {"entered": 1, "cancelled": 1}


def test_people_who_were_not_added_are_not_removed(world, leave):
    one, people = world.sync(), world.people(1, email_sha256=None)
    world.enter(one, people)
    assert leave(one, people + world.people(1)) == 0
    assert not Sync.objects.filter(undoes=one).exists()


@pytest.mark.parametrize("first", [0, 1])
def test_the_last_of_two_syncs_removes(world, leave, pair, first):
    *syncs, people = pair
    one, other = syncs[first], syncs[1 - first]
    assert leave(one, people) == 2
    world.drain()
    assert world.members(one.audience) == 2
    assert reasons(undoing(one)) == [Reason.WANTED_ELSEWHERE] * 2
    assert world.counts(undoing(one)) == {"entered": 2, "not_synced": 2}
    assert leave(other, people) == 2
    world.drain()
    assert world.members(one.audience) == 0
    assert world.counts(undoing(other)) == {"entered": 2, "synced": 2}


def test_a_sync_without_a_claim_keeps_no_people(world, leave, pair):
    one, other, people = pair
    sync.set_claims(Sync.objects.filter(pk=other.pk), claims=False)
    leave(one, people)
    world.drain()
    assert world.members(one.audience) == 0


def test_a_later_removal_by_a_step_ends_the_claim(world, leave, pair):
    one, other, people = pair
    world.enter(world.sync(one.audience, "remove"), people[:1])
    world.enter(other, people)
    leave(one, people)
    assert world.counts(undoing(one)) == {"entered": 2, "not_synced": 1, "pending": 1}


def test_an_add_after_the_removal_wins(world, leave):
    one, people = world.sync(), world.people(1)
    world.enter(one, people)
    world.drain()
    leave(one, people)
    world.enter(world.sync(one.audience), people)
    world.drain()
    assert world.counts(undoing(one)) == {"entered": 1, "cancelled": 1}
    assert world.members(one.audience) == 1
