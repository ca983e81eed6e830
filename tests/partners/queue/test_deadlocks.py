"""Concurrent retries, settlements, discards and disconnects take locks in one order."""

from datetime import timedelta
from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone

from canvases import laws
from partners import sync
from partners.connections import connect
from partners.models import Batch, Budget, Outcome
from partners.queue import budget, collect, park, settle, tally, transitions
from partners.queue.push import pack, send
from tests.support.threads import Threads

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def run_while_locked(held, *functions):
    """Run these functions concurrently while the batch ``held`` is locked. Return their errors."""
    threads = Threads()
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=held.pk)
        for function in functions:
            # After 0.7 s it waits for `held`, for another batch, or (SQLite) for the database.
            threads.start(function).join(0.7)
    return threads.join()


def settle_as(batch, state):
    with tally.atomic(now=timezone.now()):
        locked = Batch.objects.select_for_update().filter(pk=batch.pk, state=Outcome.PENDING)
        transitions.finish(list(locked), state, now=timezone.now())


def copy_of(batch, **values):
    batch = Batch.objects.get(pk=batch.pk)
    batch.pk, batch.n = None, 0  # without people, so the tallies stay correct
    for name, value in values.items():
        setattr(batch, name, value)
    batch.save()
    return batch


def test_retry_and_removal_do_not_deadlock(world):
    audience, people = world.create_audience(), world.create_people(4)
    one, two, remove = (
        world.create_sync(audience),
        world.create_sync(audience),
        world.create_sync(audience, "remove"),
    )
    world.enter(one, people)
    world.enter(two, people)
    first, second = Batch.objects.order_by("pk")
    errors = run_while_locked(
        first,
        lambda: world.enter(remove, people),
        lambda: settle_as(second, Outcome.ERRORED),
        lambda: sync.retry_errored(two, now=timezone.now()),
    )
    assert errors == []
    assert laws.broken(now=timezone.now()) == []


def test_two_retries_of_chosen_people_move_no_others(world):
    former, current = world.create_sync(), world.create_sync(world.create_audience("new"))
    world.enter(former, world.create_people(10))
    settle_as(Batch.objects.get(), Outcome.ERRORED)
    only = list(former.deliveries.order_by("pk").values_list("pk", flat=True)[:2])
    retry = partial(sync.retry_errored, former, to=current, only=only, now=timezone.now())

    assert run_while_locked(Batch.objects.get(), retry, retry) == []

    assert (world.counts(current), world.counts(former)["errored"]) == (
        {"entered": 2, "pending": 2},
        8,
    )
    assert laws.broken(now=timezone.now()) == []


def test_a_learned_cap_and_a_disconnect_do_not_deadlock(world, alice):
    world.enter(world.create_sync(), world.create_people(2))
    batch = Batch.objects.get()
    Batch.objects.update(refused_n=8)
    copy_of(batch, state=Outcome.SYNCED)
    held = copy_of(batch, waits_for=batch)
    errors = run_while_locked(
        held,
        lambda: settle_as(batch, Outcome.SYNCED),
        lambda: connect.disconnect(world.eu, discard=True, by=alice, now=timezone.now()),
    )
    assert errors == []
    world.eu.refresh_from_db()
    assert not world.eu.is_chosen
    assert laws.broken(now=timezone.now()) == []


def test_the_end_of_a_change_of_the_account_and_a_disconnect_do_not_deadlock(world, alice):
    world.enter(world.create_sync(), world.create_people(2))
    now, first = timezone.now(), Batch.objects.get()
    held = copy_of(first)
    Batch.objects.update(first_failed_at=now, deadline_at=now + timedelta(hours=13))
    park.begin_swap(world.connection, by=alice, now=now)
    errors = run_while_locked(
        held,
        lambda: park.end_swap(world.connection.pk, now=timezone.now()),
        lambda: connect.disconnect(world.connection, discard=True, by=alice, now=timezone.now()),
    )
    assert errors == []
    world.connection.refresh_from_db()
    assert (world.connection.swap_until, world.connection.token_sealed) == (None, "")
    assert laws.broken(now=timezone.now()) == []


def test_a_deadline_extension_and_a_discard_do_not_deadlock(world, settings):
    settings.SYNC = settings.SYNC | {"throttle_park": 0.1}
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    world.enter(world.create_sync(), world.create_people(1))
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    world.enter(world.create_sync(world.create_audience("other")), world.create_people(1))
    first, second = Batch.objects.order_by("pk")
    deadline = timezone.now() + timedelta(hours=1)
    Batch.objects.filter(pk=second.pk).update(first_failed_at=timezone.now(), deadline_at=deadline)
    limit = budget.limit_of(collect.partner_of(world.eu), world.eu.lane)
    Budget.objects.create(key=limit.key, throttles=5, parked_us=budget.now_us() - 1)
    world.set_fault("throttle")
    answer = send(pack(request, post_by=float("inf"), most_rows=10), at=0)
    errors = run_while_locked(
        first,
        lambda: sync.discard(connection=world.connection, now=timezone.now()),
        lambda: settle.settle(answer, now=timezone.now()),
    )
    assert errors == []
    assert Budget.objects.get(key=limit.key).throttles == 6
    assert laws.broken(now=timezone.now()) == []
