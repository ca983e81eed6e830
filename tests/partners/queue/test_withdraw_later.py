"""What happens to an add after its person has left: retries, moves, discards and purges."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from audiencesync.groups.models import PurgeCursor
from canvases import laws
from partners import housekeeping, sync
from partners.models import Batch, Delivery, Outcome, Reason, Sync, Tally
from partners.queue import collect, move, settle, transitions
from partners.queue.push import pack, send
from partners.queue.removals import removal, withdraw

pytestmark = pytest.mark.thorough


@pytest.fixture
def leave():
    """leave(sync, people): remove them again. Return how many adds were reverted."""

    def withdraw(one, people):
        with transaction.atomic():
            return sync.withdraw(one, [person.pk for person in people], now=timezone.now())

    return withdraw


@pytest.fixture(autouse=True)
def _laws(world):
    yield
    assert laws.broken(now=timezone.now()) == []


def errored(world, one, people):
    """Enqueue people; end their batches as errored."""
    world.enter(one, people)
    mine = Batch.objects.filter(sync=one)
    mine.update(state="errored", settled_at=timezone.now(), last_code="50000")
    Tally.objects.filter(pk=one.pk).update(pending=0, errored=len(people))


def undoing(one):
    return Sync.objects.get(undoes=one)


def purge(days):
    PurgeCursor.objects.update(begun_at=None)
    housekeeping.purge(now=timezone.now() + timedelta(days=days))


def test_a_retry_does_not_add_people_who_left(world, leave):
    one, people = world.sync(), world.people(3)
    errored(world, one, people)
    assert leave(one, people[:2]) == 2  # they may have arrived
    assert sync.retry_errored(one, now=timezone.now()) == 3
    world.drain()
    assert world.members(one.audience) == 1
    assert world.counts(one) == {"entered": 3, "cancelled": 2, "synced": 1}


def test_a_retry_does_not_add_people_who_stayed_for_another_sync(world, leave):
    one, people = world.sync(), world.people(1)
    errored(world, one, people)
    world.enter(world.sync(one.audience), people)
    leave(one, people)
    sync.retry_errored(one, now=timezone.now())
    assert world.counts(one) == {"entered": 1, "cancelled": 1}


@pytest.mark.parametrize("by_row", [False, True])
def test_a_retry_in_another_audience_does_not_add_people_who_left(world, leave, by_row):
    one, new, people = world.sync(), world.sync(world.audience("new")), world.people(2)
    errored(world, one, people)
    if by_row:
        Delivery.objects.update(outcome=Outcome.ERRORED, reason="1")
        Batch.objects.update(n=0, state="synced")
    leave(one, people[:1])
    assert sync.retry_errored(one, to=new, now=timezone.now()) == 2
    world.drain()
    assert world.members(new.audience) == 1
    assert world.counts(one) == {"entered": 2, "cancelled": 2}


def test_a_move_does_not_take_along_people_who_left(world, leave):
    one, new, people = world.sync(), world.sync(world.audience("new")), world.people(2)
    world.enter(one, people)
    with transaction.atomic():
        move.move([one], to=new)
        assert leave(one, people[:1]) == 1
    move.move_marked(now=timezone.now())
    world.drain()
    assert world.members(new.audience) == 1


def test_people_on_the_way_to_another_audience_are_not_wanted_here(world, leave):
    one, other, people = world.sync(), world.sync(), world.people(1)
    other = world.sync(one.audience)
    world.enter(one, people)
    world.drain()
    world.enter(other, people)
    new = world.sync(world.audience("new"))
    with transaction.atomic():
        move.move([other], to=new)
    leave(one, people)
    move.move_marked(now=timezone.now())
    world.drain()
    assert (world.members(one.audience), world.members(new.audience)) == (0, 1)


def test_an_add_in_flight_is_removed_after_it_arrived(world, leave):
    one, people = world.sync(), world.people(2)
    world.enter(one, people)
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10)
    leave(one, people)
    assert collect.plan(world.eu.lane, most=1, now=timezone.now()) == []
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert world.members(one.audience) == 2
    world.drain()
    assert world.members(one.audience) == 0


def test_a_discarded_add_in_flight_is_taken_back_for_people_who_left_the_other_sync(world, leave):
    one, people = world.sync(), world.people(1)
    other = world.sync(one.audience)
    world.enter(one, people)
    world.drain()
    world.enter(other, people)
    leave(one, people)  # the other one wants them
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10)
    sync.discard(now=timezone.now(), connection=world.connection)
    settle.settle(send(parcel, at=0), now=timezone.now())
    transitions.cancel_discarded(now=timezone.now())
    world.drain()
    assert world.members(one.audience) == 0


def test_adds_of_two_syncs_outlive_a_purge_and_each_is_reverted(world, leave):
    one, people = world.sync(), world.people(1)
    other = world.sync(one.audience)
    for adds in (one, other):
        world.enter(adds, people)
        world.drain()
    purge(days=100)
    assert leave(other, people) == 1
    world.drain()
    assert world.members(one.audience) == 1
    purge(days=300)
    assert leave(one, people) == 1
    world.drain()
    assert world.members(one.audience) == 0


def test_a_reverted_add_is_not_reverted_again_after_a_purge(world, leave):
    one, people = world.sync(), world.people(1)
    world.enter(one, people)
    world.drain()
    leave(one, people)
    world.drain()
    explicit = world.sync(one.audience, "remove")
    world.enter(explicit, people)
    world.drain()
    purge(days=100)
    assert leave(one, people) == 0
    assert world.counts(undoing(one)) == {"entered": 1, "synced": 1}


def test_a_merged_profile_leaves_with_all_its_adds(world, leave):
    one, (visitor, person) = world.sync(), world.people(2)
    world.enter(one, [visitor, person])
    world.drain()
    sync.reassign(visitor.pk, to=person.pk)
    assert leave(one, [person]) == 2
    assert leave(one, [person]) == 0


def test_an_erased_person_is_not_removed_again(world, leave):
    one, (person,) = world.sync(), world.people(1)
    world.enter(one, [person])
    world.drain()
    sync.reassign(person.pk, to=None)
    assert leave(one, [person]) == 0


@pytest.mark.parametrize("reason", [Reason.NO_CONSENT, Reason.DISCARDED])
def test_people_kept_for_an_add_that_was_never_sent_leave_with_it(world, leave, reason):
    one, people = world.sync(), world.people(1)
    other = world.sync(one.audience)
    world.enter(one, people)
    world.drain()
    world.enter(other, people)
    leave(one, people)  # the other one wants them
    removal.cancel_adds([people[0].pk], reason, now=timezone.now())
    assert leave(other, people) == 1
    world.drain()
    assert world.members(one.audience) == 0


def test_few_people_are_not_searched_among_all_of_a_sync(world):
    found = withdraw.not_reverted(world.sync(), [person.pk for person in world.people(2)])
    assert "(sync_id=" not in found.explain().splitlines()[0]
