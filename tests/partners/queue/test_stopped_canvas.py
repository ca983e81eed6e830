"""While a canvas is stopped its adds wait and their time stands still; nobody else is held up by them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from partners import sync
from partners.models import Batch, Sync
from partners.queue import collect, flush, settle
from partners.queue.push import pack, send


def _stop(asked):
    sync.pause(Sync.objects.filter(pk=asked.pk))


def _launch(asked):
    sync.resume(Sync.objects.filter(pk=asked.pk))


def _days_pass(days):
    """All that has a time is as much older."""
    for row in Batch.objects.exclude(first_failed_at=None):
        row.first_failed_at -= timedelta(days=days)
        row.deadline_at -= timedelta(days=days)
        row.due_at -= timedelta(days=days)
        row.save()


@pytest.fixture
def failed_once(world):
    """Three people whose 13 hours run."""
    asked = world.sync()
    world.enter(asked, world.people(3))
    world.fault("code", code=50000, count=1)
    [request] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(request, now=timezone.now())
    settle.settle(send(pack(request, post_by=float("inf"), most_rows=10), at=0), now=timezone.now())
    assert Batch.objects.get().deadline_at is not None
    return asked


def test_a_weekend_costs_nobody_their_tries(world, failed_once):
    _stop(failed_once)
    _days_pass(2)
    flush.beat()
    assert world.counts(failed_once) == {"entered": 3, "pending": 3}
    _launch(failed_once)
    world.fault("code", code=50000, count=1)
    world.drain()
    assert world.counts(failed_once) == {"entered": 3, "synced": 3}


def test_without_a_stop_the_time_is_over(world, failed_once):
    _days_pass(2)
    world.fault("code", code=50000, count=1)
    world.drain()
    assert world.counts(failed_once) == {"entered": 3, "errored": 3}


def test_a_repeat_of_its_add_bars_no_removal(world):
    audience, people = world.audience(), world.people(5)
    first, remove, add = world.sync(audience), world.sync(audience, "remove"), world.sync(audience)
    world.enter(first, people)
    world.flush()
    world.enter(remove, people[:2])
    [late] = collect.plan(world.eu.remote_id, most=1, now=timezone.now())
    assert collect.take(late, now=timezone.now())
    parcel = pack(late, post_by=float("inf"), most_rows=10)
    Batch.objects.filter(lease=late.lease).update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())
    world.flush()
    world.enter(add, people[:2])
    world.flush()
    _stop(add)
    settle.settle(send(parcel, at=0), now=timezone.now())  # it was frozen: the add is repeated
    later = world.sync(audience, "remove")
    world.enter(later, people[2:])
    world.drain()
    assert world.counts(later) == {"entered": 3, "synced": 3}
    assert world.members(audience) == 2
