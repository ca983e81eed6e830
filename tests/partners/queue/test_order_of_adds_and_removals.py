"""Splits, repeats and concurrent calls never let an older operation overrule a newer one."""

import dataclasses
import threading

import pytest
from django.db import transaction
from django.utils import timezone

from partners import sync
from partners.models import Batch, Outcome
from partners.queue import collect, settle, tally, transitions
from partners.queue.push import pack, send
from tests.support.threads import Threads
from tiktok_sandbox.limits import DEFAULT

pytestmark = pytest.mark.thorough


def _lease_request(world):
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    return pack(request, post_by=float("inf"), most_rows=10_000)


def _lose_the_lease():
    Batch.objects.update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())


def test_a_split_add_does_not_revert_a_removal(world):
    tight = dataclasses.replace(DEFAULT, app_rate=None, people_per_request=6)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=tight)
    audience, people = world.create_audience(), world.create_people(10)
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, people)
    parcel = _lease_request(world)
    world.enter(remove, people[:3])
    settle.settle(send(parcel, at=0), now=timezone.now())
    world.drain()
    assert world.counts(remove) == {"entered": 3, "synced": 3}
    assert world.members(audience) == 7


def test_a_repeated_removal_leaves_out_people_with_a_newer_add(world):
    audience, people = world.create_audience(), world.create_people(5)
    add, remove, again = (
        world.create_sync(audience),
        world.create_sync(audience, "remove"),
        world.create_sync(audience),
    )
    world.enter(add, people)
    late = _lease_request(world)
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


def test_a_removal_is_repeated_under_published_limits(world, settings):
    settings.TIKTOK_PRESET = "published_by_tiktok"
    audience, people = world.create_audience(), world.create_people(5)
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, people)
    late = _lease_request(world)
    _lose_the_lease()
    world.flush()
    world.enter(remove, people)
    world.flush()
    settle.settle(send(late, at=0), now=timezone.now())
    world.drain()
    assert world.members(audience) == 0


def _during_an_open_enqueue(world, remove, people, work):
    """Run ``work`` while the transaction that enqueues the removal is still open."""
    entered, go = threading.Event(), threading.Event()

    def enter():
        with transaction.atomic():
            world.enter(remove, people)
            entered.set()
            go.wait(10)

    threads = Threads()
    threads.start(enter)
    assert entered.wait(120)
    threads.start(work).join(1)  # then it is done, or waits for the end of the transaction
    go.set()
    assert threads.join() == []


@pytest.mark.django_db(transaction=True)
def test_a_failed_add_requeued_during_an_enqueue_does_not_overrule_a_removal(
    transactional_db, world
):
    audience, people = world.create_audience(), world.create_people(5)
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, people)
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())

    def put_back():
        transitions.retry_or_error(
            request, code="50000", now=timezone.now(), due_at=None, is_attempt=True
        )

    _during_an_open_enqueue(world, remove, people, put_back)
    world.drain()
    assert world.members(audience) == 0


@pytest.mark.django_db(transaction=True)
def test_a_retry_during_an_enqueue_does_not_overrule_a_removal(transactional_db, world):
    audience, people = world.create_audience(), world.create_people(5)
    add, remove = world.create_sync(audience), world.create_sync(audience, "remove")
    world.enter(add, people)
    with tally.atomic(now=timezone.now()):
        transitions.finish(list(Batch.objects.all()), Outcome.ERRORED, now=timezone.now(), code="1")
    _during_an_open_enqueue(
        world, remove, people, lambda: sync.retry_errored(add, now=timezone.now())
    )
    world.drain()
    assert world.members(audience) == 0
