"""People who leave a step are removed, unless another Sync still wants them in the audience."""

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

    def remove_again(to_sync, people):
        with transaction.atomic():
            n = sync.withdraw(to_sync, [person.pk for person in people], now=timezone.now())
        assert laws.broken(now=timezone.now()) == []
        return n

    return remove_again


@pytest.fixture
def pair(world):
    """Two Syncs that added the same two people to the same audience. Shape: (a, b, people)."""
    audience, people = world.create_audience(), world.create_people(2)
    to_sync, other = world.create_sync(audience), world.create_sync(audience)
    for adds in (to_sync, other):
        world.enter(adds, people)
    world.drain()
    return to_sync, other, people


def removal_sync(to_sync):
    return Sync.objects.get(undoes=to_sync)


def reasons(to_sync):
    return list(
        Delivery.objects.filter(sync=to_sync).order_by("pk").values_list("reason", flat=True)
    )


def test_people_who_leave_are_removed_with_all_kinds(world, leave):
    to_sync, people = world.create_sync(), world.create_people(3)
    world.enter(to_sync, people)
    world.drain()
    assert leave(to_sync, people[:2]) == 2
    world.drain()
    assert world.members(to_sync.audience) == 1
    assert world.counts(removal_sync(to_sync)) == {"entered": 2, "synced": 2}
    assert set(removal_sync(to_sync).kinds) == {"email", "phone", "idfa", "gaid"}
    assert (removal_sync(to_sync).label, removal_sync(to_sync).url) == (to_sync.label, to_sync.url)


def test_each_add_is_reverted_once(world, leave):
    to_sync, people = world.create_sync(), world.create_people(2)
    world.enter(to_sync, people)
    assert leave(to_sync, people) == 2
    assert leave(to_sync, people) == 0
    world.drain()
    assert leave(to_sync, people) == 0
    assert world.counts(removal_sync(to_sync)) == {"entered": 2, "synced": 2}


def test_a_pending_add_is_superseded(world, leave):
    to_sync, people = world.create_sync(), world.create_people(1)
    world.enter(to_sync, people)
    leave(to_sync, people)
    assert world.counts(to_sync) == {"entered": 1, "cancelled": 1}


def test_people_who_were_not_added_are_not_removed(world, leave):
    to_sync, people = world.create_sync(), world.create_people(1, email_sha256=None)
    world.enter(to_sync, people)
    assert leave(to_sync, people + world.create_people(1)) == 0
    assert not Sync.objects.filter(undoes=to_sync).exists()


@pytest.mark.parametrize("first", [0, 1])
def test_the_last_of_two_syncs_removes(world, leave, pair, first):
    *syncs, people = pair
    to_sync, other = syncs[first], syncs[1 - first]
    assert leave(to_sync, people) == 2
    world.drain()
    assert world.members(to_sync.audience) == 2
    assert reasons(removal_sync(to_sync)) == [Reason.WANTED_ELSEWHERE] * 2
    assert world.counts(removal_sync(to_sync)) == {"entered": 2, "not_synced": 2}
    assert leave(other, people) == 2
    world.drain()
    assert world.members(to_sync.audience) == 0
    assert world.counts(removal_sync(other)) == {"entered": 2, "synced": 2}


def test_a_sync_without_a_claim_keeps_no_people(world, leave, pair):
    to_sync, other, people = pair
    sync.set_claims(Sync.objects.filter(pk=other.pk), claims=False)
    leave(to_sync, people)
    world.drain()
    assert world.members(to_sync.audience) == 0


def test_a_later_removal_by_a_step_ends_the_claim(world, leave, pair):
    to_sync, other, people = pair
    world.enter(world.create_sync(to_sync.audience, "remove"), people[:1])
    world.enter(other, people)
    leave(to_sync, people)
    assert world.counts(removal_sync(to_sync)) == {"entered": 2, "not_synced": 1, "pending": 1}


def test_an_add_after_the_removal_wins(world, leave):
    to_sync, people = world.create_sync(), world.create_people(1)
    world.enter(to_sync, people)
    world.drain()
    leave(to_sync, people)
    world.enter(world.create_sync(to_sync.audience), people)
    world.drain()
    assert world.counts(removal_sync(to_sync)) == {"entered": 1, "cancelled": 1}
    assert world.members(to_sync.audience) == 1
