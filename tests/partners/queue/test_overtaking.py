"""No trouble on the way lets an older wish overtake a newer one: splits, repeats, races with an enqueue."""

import dataclasses
import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from partners import sync
from partners.models import Batch, Outcome
from partners.queue import collect, settle, tally
from partners.queue.push import pack, send
from tiktok_sandbox.limits import DEFAULT


def _leased(world):
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    return pack(request, post_by=float("inf"), most_rows=10_000)


def _lose_the_lease():
    Batch.objects.update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())


def test_a_split_add_does_not_undo_a_removal(world):
    tight = dataclasses.replace(DEFAULT, app_rate=None, people_per_request=6)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=tight)
    audience, people = world.audience(), world.people(10)
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, people)
    parcel = _leased(world)
    world.enter(remove, people[:3])
    settle.settle(send(parcel, at=0), now=timezone.now())
    world.drain()
    assert world.counts(remove) == {"entered": 3, "synced": 3}
    assert world.members(audience) == 7


def test_a_repeat_leaves_out_who_has_a_later_wish(world):
    audience, people = world.audience(), world.people(5)
    add, remove, again = world.sync(audience), world.sync(audience, "remove"), world.sync(audience)
    world.enter(add, people)
    late = _leased(world)
    _lose_the_lease()
    world.flush()
    world.enter(remove, people)
    world.flush()
    world.enter(again, people)
    world.flush()
    assert world.members(audience) == 5
    settle.settle(send(late, at=0), now=timezone.now())
    world.drain()
    assert world.members(audience) == 5


def test_a_repeat_is_sent_under_small_limits_as_well(world, settings):
    settings.TIKTOK_PRESET = "published_by_tiktok"
    audience, people = world.audience(), world.people(5)
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, people)
    late = _leased(world)
    _lose_the_lease()
    world.flush()
    world.enter(remove, people)
    world.flush()
    settle.settle(send(late, at=0), now=timezone.now())
    world.drain()
    assert world.members(audience) == 0


def _in_thread(act):
    def run():
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _beside_an_enqueue(world, remove, people, act):
    """``act`` begins while the removal has entered but is not committed."""
    entered, go = threading.Event(), threading.Event()

    def enter():
        with transaction.atomic():
            world.enter(remove, people)
            entered.set()
            go.wait(10)

    first = _in_thread(enter)
    assert entered.wait(10)
    second = _in_thread(act)
    second.join(1)
    go.set()
    first.join()
    second.join()


@pytest.mark.django_db(transaction=True)
def test_putting_back_beside_an_enqueue(transactional_db, world):
    audience, people = world.audience(), world.people(5)
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, people)
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())

    def put_back():
        settle.fail(request, code="50000", now=timezone.now(), due_at=None, burn=True)

    _beside_an_enqueue(world, remove, people, put_back)
    world.drain()
    assert world.members(audience) == 0


@pytest.mark.django_db(transaction=True)
def test_retrying_beside_a_removal(transactional_db, world):
    audience, people = world.audience(), world.people(5)
    add, remove = world.sync(audience), world.sync(audience, "remove")
    world.enter(add, people)
    with tally.gathered(now=timezone.now()):
        settle.finish(list(Batch.objects.all()), Outcome.ERRORED, now=timezone.now(), code="1")
    _beside_an_enqueue(world, remove, people, lambda: sync.retry_errored(add, now=timezone.now()))
    world.drain()
    assert world.members(audience) == 0
