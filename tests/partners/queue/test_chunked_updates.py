"""Changes of more batches than fit into one chunk cover all of them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.core import chunks
from partners import sync
from partners.models import AdAccount, Batch
from partners.queue import budget, collect, flush, transitions

pytestmark = pytest.mark.thorough

N_BATCHES = 10


@pytest.fixture
def sync_row(world, monkeypatch):
    """Ten pending batches; one chunk takes three."""
    monkeypatch.setattr(chunks, "DEFAULT_SIZE", 3)
    row = world.create_sync()
    for person in world.create_people(N_BATCHES):
        world.enter(row, [person])
    assert Batch.objects.count() == N_BATCHES
    return row


def test_a_discard_covers_all_chunks(world, sync_row):
    assert sync.discard(connection=world.connection, now=timezone.now()) == N_BATCHES
    assert world.counts(sync_row) == {"entered": N_BATCHES, "cancelled": N_BATCHES}


def test_a_new_token_makes_all_chunks_due(world, sync_row):
    Batch.objects.update(due_at=timezone.now() + timedelta(minutes=20))
    sync.retry_now(world.connection)
    assert not Batch.objects.filter(due_at__gt=timezone.now()).exists()


def test_the_retry_window_of_all_chunks_begins(world, sync_row):
    AdAccount.objects.update(is_chosen=False)
    flush.age_blocked(now=timezone.now())
    assert not Batch.objects.filter(deadline_at=None).exists()


def test_the_deadline_of_all_chunks_is_extended(world, sync_row):
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    now = timezone.now()
    Batch.objects.update(first_failed_at=now, deadline_at=now)
    transitions.extend_deadlines(budget.Limit("app:x", 1.0), 60.0)
    assert set(Batch.objects.values_list("deadline_at", flat=True)) == {now + timedelta(seconds=60)}


@pytest.mark.parametrize("n", [3, 3 * N_BATCHES])
def test_adds_behind_a_removal_are_skipped_in_one_query(world, django_assert_num_queries, n):
    audience = world.create_audience()
    world.enter(world.create_sync(audience, "remove"), world.create_people(1))
    Batch.objects.update(lease="x", lease_until=timezone.now() + timedelta(minutes=1))
    add, other = world.create_sync(audience), world.create_sync(world.create_audience("other"))
    for person in world.create_people(n):
        world.enter(add, [person])
    world.enter(other, world.create_people(1))
    Batch.objects.filter(sync=other).update(due_at=timezone.now())
    with django_assert_num_queries(2):
        [request] = collect.plan(world.eu.lane, most=8, now=timezone.now())
    assert [batch.sync_id for batch in request.batches] == [other.pk]
