"""What is discarded after a try that may have arrived, whatever became of the tries since: it is taken back."""

import pytest
from django.utils import timezone

from partners import sync
from partners.models import Batch, Outcome
from partners.queue import collect, settle
from partners.queue.push import pack, send


@pytest.fixture
def asked(world):
    """A Sync that three people have entered."""
    made = world.sync()
    world.enter(made, world.people(3))
    return made


def _taken(world):
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    return pack(request, post_by=float("inf"), most_rows=10_000)


def _try(world):
    settle.settle(send(_taken(world), at=0), now=timezone.now())


def _arrives_and_the_worker_dies(world):
    send(_taken(world), at=0)
    Batch.objects.update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())


def _is_taken_back(world, asked, *, arrived=3):
    assert world.members(asked.audience) == arrived
    assert sync.discard(connection=world.connection, now=timezone.now()) == 3
    world.drain()
    assert world.members(asked.audience) == 0
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}


def test_the_worker_died_after_the_call(world, asked):
    _arrives_and_the_worker_dies(world)
    _is_taken_back(world, asked)


def test_the_worker_died_and_the_next_try_was_throttled(world, asked):
    _arrives_and_the_worker_dies(world)
    world.fault("code", code=40100, count=1)
    _try(world)
    _is_taken_back(world, asked)


def test_some_were_taken_and_nobody_said_who(world, asked):
    world.fault("partial", rows=[0], named=False, count=1)
    _try(world)
    _is_taken_back(world, asked, arrived=2)


def test_some_of_several_batches_were_taken(world, asked):
    other = world.sync(world.audience("other"))
    world.enter(other, world.people(3))
    world.fault("partial", rows=[0], named=False, count=1)
    _try(world)
    assert world.members(asked.audience) + world.members(other.audience) == 5
    assert sync.discard(connection=world.connection, now=timezone.now()) == 6
    world.drain()
    assert world.members(asked.audience) == world.members(other.audience) == 0


def test_it_was_errored_without_an_answer_and_tried_again(world, asked):
    world.fault("apply_then_drop", count=1)
    Batch.objects.update(first_failed_at=timezone.now(), deadline_at=timezone.now())
    _try(world)
    assert not Batch.objects.exclude(state=Outcome.ERRORED).exists()
    assert sync.retry_errored(asked, now=timezone.now()) == 3
    _is_taken_back(world, asked)


def test_what_never_left_is_not_taken_back(world, asked):
    world.fault("code", code=40002, count=1)
    _try(world)
    assert sync.discard(connection=world.connection, now=timezone.now()) == 3
    assert not Batch.objects.filter(state=Outcome.PENDING).exists()


def test_some_were_taken_at_the_try_that_led_to_a_search(world, asked):
    world.fault("code", code=40002, count=1)
    world.fault("partial", rows=[0], named=False, count=1)
    _try(world)
    Batch.objects.update(due_at=timezone.now())
    _try(world)
    assert asked.batches.count() == 2  # the people are searched by halves from now on
    _is_taken_back(world, asked, arrived=2)
