"""A worker that was frozen past its lease and sent after all: nothing is counted twice, and the last wish still wins."""

from django.utils import timezone

from partners import sync
from partners.models import Batch
from partners.queue import collect, flush, settle
from partners.queue.push import send


def test_a_late_worker_changes_nothing(world):
    asked = world.sync()
    world.enter(asked, world.people(3))
    late = world.frozen_before_the_call()
    world.flush()
    settle.settle(send(late, at=0), now=timezone.now())
    assert world.counts(asked) == {"entered": 3, "synced": 3}
    assert world.members(asked.audience) == 3


def test_a_removal_that_was_overtaken_by_a_late_add_is_repeated(world):
    audience, people = world.audience(), world.people(5)
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, people)
    late = world.frozen_before_the_call()
    world.flush()
    world.enter(remove, people)
    world.flush()
    settle.settle(send(late, at=0), now=timezone.now())
    assert world.members(audience) == 5
    world.drain()
    assert world.members(audience) == 0
    assert world.counts(remove) == {"entered": 5, "synced": 5}
    assert world.counts(add) == {"entered": 5, "synced": 5}


def test_a_wish_after_the_repeat_is_sent_after_it(world):
    audience, people = world.audience(), world.people(5)
    add, remove, again = world.sync(audience), world.sync(audience, "remove"), world.sync(audience)
    world.enter(add, people)
    late = world.frozen_before_the_call()
    world.flush()
    world.enter(remove, people)
    world.flush()
    settle.settle(send(late, at=0), now=timezone.now())
    world.enter(again, people)
    world.drain()
    assert world.members(audience) == 5


def test_an_expired_lease_frees_the_batch(world):
    asked = world.sync()
    world.enter(asked, world.people(2))
    world.frozen_before_the_call()
    world.flush()
    assert world.counts(asked) == {"entered": 2, "synced": 2}


def test_what_was_discarded_while_a_worker_held_it_ends_when_that_worker_dies(world):
    asked = world.sync()
    world.enter(asked, world.people(3))
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    assert sync.discard(connection=world.connection, now=timezone.now()) == 0
    Batch.objects.update(lease_until=timezone.now())
    flush.beat()
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}
    assert world.members(asked.audience) == 0
