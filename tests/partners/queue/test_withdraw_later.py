"""What happens to an add after its person has left: retries, moves, discards and purges."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
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

    def remove_again(to_sync, people):
        with transaction.atomic():
            return sync.withdraw(to_sync, [person.pk for person in people], now=timezone.now())

    return remove_again


@pytest.fixture(autouse=True)
def _laws(world):
    yield
    assert laws.broken(now=timezone.now()) == []


def enter_errored(world, to_sync, people):
    """Enqueue people; end their batches as errored."""
    world.enter(to_sync, people)
    batches = Batch.objects.filter(sync=to_sync)
    batches.update(state="errored", settled_at=timezone.now(), last_code="50000")
    Tally.objects.filter(pk=to_sync.pk).update(pending=0, errored=len(people))


def removal_sync(to_sync):
    return Sync.objects.get(undoes=to_sync)


def purge(days):
    PurgeCursor.objects.update(begun_at=None)
    housekeeping.purge(now=timezone.now() + timedelta(days=days))


def test_a_retry_does_not_add_people_who_left(world, leave):
    to_sync, people = world.create_sync(), world.create_people(3)
    enter_errored(world, to_sync, people)
    assert leave(to_sync, people[:2]) == 2  # their adds may have arrived
    assert sync.retry_errored(to_sync, now=timezone.now()) == 3
    world.drain()
    assert world.members(to_sync.audience) == 1
    assert world.counts(to_sync) == {"entered": 3, "cancelled": 2, "synced": 1}


def test_a_retry_does_not_add_people_who_stayed_for_another_sync(world, leave):
    to_sync, people = world.create_sync(), world.create_people(1)
    enter_errored(world, to_sync, people)
    world.enter(world.create_sync(to_sync.audience), people)
    leave(to_sync, people)
    sync.retry_errored(to_sync, now=timezone.now())
    assert world.counts(to_sync) == {"entered": 1, "cancelled": 1}


@pytest.mark.parametrize("is_errored_by_row", [False, True])
def test_a_retry_in_another_audience_does_not_add_people_who_left(world, leave, is_errored_by_row):
    to_sync, new, people = (
        world.create_sync(),
        world.create_sync(world.create_audience("new")),
        world.create_people(2),
    )
    enter_errored(world, to_sync, people)
    if is_errored_by_row:
        Delivery.objects.update(outcome=Outcome.ERRORED, reason="1")
        Batch.objects.update(n=0, state="synced")
    leave(to_sync, people[:1])
    assert sync.retry_errored(to_sync, to=new, now=timezone.now()) == 2
    world.drain()
    assert world.members(new.audience) == 1
    assert world.counts(to_sync) == {"entered": 2, "cancelled": 2}


def test_a_move_does_not_take_along_people_who_left(world, leave):
    to_sync, new, people = (
        world.create_sync(),
        world.create_sync(world.create_audience("new")),
        world.create_people(2),
    )
    world.enter(to_sync, people)
    with transaction.atomic():
        move.move([to_sync], to=new)
        assert leave(to_sync, people[:1]) == 1
    move.move_marked(now=timezone.now())
    world.drain()
    assert world.members(new.audience) == 1


def test_people_on_the_way_to_another_audience_are_not_wanted_here(world, leave):
    to_sync, people = world.create_sync(), world.create_people(1)
    other = world.create_sync(to_sync.audience)
    world.enter(to_sync, people)
    world.drain()
    world.enter(other, people)
    new = world.create_sync(world.create_audience("new"))
    with transaction.atomic():
        move.move([other], to=new)
    leave(to_sync, people)
    move.move_marked(now=timezone.now())
    world.drain()
    assert (world.members(to_sync.audience), world.members(new.audience)) == (0, 1)


def test_an_add_in_flight_is_removed_after_it_arrived(world, leave):
    to_sync, people = world.create_sync(), world.create_people(2)
    world.enter(to_sync, people)
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10)
    leave(to_sync, people)
    assert collect.plan(world.eu.lane, most=1, now=timezone.now()) == []
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert world.members(to_sync.audience) == 2
    world.drain()
    assert world.members(to_sync.audience) == 0


def test_a_discarded_add_in_flight_is_taken_back_for_people_who_left_the_other_sync(world, leave):
    to_sync, people = world.create_sync(), world.create_people(1)
    other = world.create_sync(to_sync.audience)
    world.enter(to_sync, people)
    world.drain()
    world.enter(other, people)
    leave(to_sync, people)  # they stay, because `other` wants them
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10)
    sync.discard(now=timezone.now(), connection=world.connection)
    settle.settle(send(parcel, at=0), now=timezone.now())
    transitions.cancel_discarded(now=timezone.now())
    world.drain()
    assert world.members(to_sync.audience) == 0


def test_adds_of_two_syncs_outlive_a_purge_and_each_is_reverted(world, leave):
    to_sync, people = world.create_sync(), world.create_people(1)
    other = world.create_sync(to_sync.audience)
    for adds in (to_sync, other):
        world.enter(adds, people)
        world.drain()
    purge(days=100)
    assert leave(other, people) == 1
    world.drain()
    assert world.members(to_sync.audience) == 1
    purge(days=300)
    assert leave(to_sync, people) == 1
    world.drain()
    assert world.members(to_sync.audience) == 0


def test_a_reverted_add_is_not_reverted_again_after_a_purge(world, leave):
    to_sync, people = world.create_sync(), world.create_people(1)
    world.enter(to_sync, people)
    world.drain()
    leave(to_sync, people)
    world.drain()
    explicit = world.create_sync(to_sync.audience, "remove")
    world.enter(explicit, people)
    world.drain()
    purge(days=100)
    assert leave(to_sync, people) == 0
    assert world.counts(removal_sync(to_sync)) == {"entered": 1, "synced": 1}


def test_a_merged_profile_leaves_with_all_its_adds(world, leave):
    to_sync, (visitor, person) = world.create_sync(), world.create_people(2)
    world.enter(to_sync, [visitor, person])
    world.drain()
    sync.reassign(visitor.pk, to=person.pk)
    assert leave(to_sync, [person]) == 2
    assert leave(to_sync, [person]) == 0


def test_an_erased_person_is_not_removed_again(world, leave):
    to_sync, (person,) = world.create_sync(), world.create_people(1)
    world.enter(to_sync, [person])
    world.drain()
    sync.reassign(person.pk, to=None)
    assert leave(to_sync, [person]) == 0


@pytest.mark.parametrize("reason", [Reason.NO_CONSENT, Reason.DISCARDED])
def test_people_kept_for_an_add_that_was_never_sent_leave_with_it(world, leave, reason):
    to_sync, people = world.create_sync(), world.create_people(1)
    other = world.create_sync(to_sync.audience)
    world.enter(to_sync, people)
    world.drain()
    world.enter(other, people)
    leave(to_sync, people)  # they stay, because `other` wants them
    removal.cancel_adds([people[0].pk], reason, now=timezone.now())
    assert leave(other, people) == 1
    world.drain()
    assert world.members(to_sync.audience) == 0


def test_few_people_are_not_searched_among_all_of_a_sync(world):
    """Even without the index by profile, the database does not read by sync."""
    to_sync, people = world.create_sync(), world.create_people(2)
    adds = withdraw.not_reverted(to_sync, [person.pk for person in people])
    is_postgres, table = connection.vendor == "postgresql", Delivery._meta.db_table
    with connection.cursor() as cursor:
        for name, index in connection.introspection.get_constraints(cursor, table).items():
            if index["index"] and index["columns"] == ["profile_id"]:
                cursor.execute(f'DROP INDEX "{name}"')
        if is_postgres:  # otherwise it reads the whole table, which has few rows
            cursor.execute("SET LOCAL enable_seqscan = off")
    plan = adds.explain()
    # The subqueries may read by sync: in SQLite's plan they come after the first line.
    by_sync = f"(sync_id = {to_sync.pk})" if is_postgres else "(sync_id=?"
    assert by_sync not in (plan if is_postgres else plan.splitlines()[0]), plan
