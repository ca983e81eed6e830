"""After an outage more batches may wait than one statement takes: all of them are woken, timed and discarded."""

from datetime import timedelta

import pytest
from django.utils import timezone

from partners import sync
from partners.models import AdAccount, Batch
from partners.queue import budget, collect, flush, settle

N = 10


@pytest.fixture
def asked(world, monkeypatch):
    """Ten batches wait, and three are what is handled at once."""
    monkeypatch.setattr(collect, "STRETCH", 3)
    made = world.sync()
    for person in world.people(N):
        world.enter(made, [person])
    assert Batch.objects.count() == N
    return made


def test_all_are_discarded(world, asked):
    assert sync.discard(connection=world.connection, now=timezone.now()) == N
    assert world.counts(asked) == {"entered": N, "cancelled": N}


def test_all_are_woken(world, asked):
    Batch.objects.update(due_at=timezone.now() + timedelta(minutes=20))
    sync.woken(world.connection)
    assert not Batch.objects.filter(due_at__gt=timezone.now()).exists()


def test_the_clock_of_all_begins(world, asked):
    AdAccount.objects.update(is_chosen=False)
    flush.watch_blocked(now=timezone.now())
    assert not Batch.objects.filter(deadline_at=None).exists()


def test_the_clock_of_all_stands_still(world, asked):
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    now = timezone.now()
    Batch.objects.update(first_failed_at=now, deadline_at=now)
    settle._stop_clock(budget.Limit("app:x", 1.0), 60.0)
    assert set(Batch.objects.values_list("deadline_at", flat=True)) == {now + timedelta(seconds=60)}


@pytest.mark.parametrize("n", [3, 3 * N])
def test_who_waits_behind_a_removal_is_passed_over_at_once(world, django_assert_num_queries, n):
    audience = world.audience()
    world.enter(world.sync(audience, "remove"), world.people(1))
    Batch.objects.update(lease="x", lease_until=timezone.now() + timedelta(minutes=1))
    add, other = world.sync(audience), world.sync(world.audience("other"))
    for person in world.people(n):
        world.enter(add, [person])
    world.enter(other, world.people(1))
    Batch.objects.filter(sync=other).update(due_at=timezone.now())
    with django_assert_num_queries(2):
        [request] = collect.plan(world.eu.remote_id, most=8, now=timezone.now())
    assert [batch.sync_id for batch in request.batches] == [other.pk]
