"""Retry sends every errored person once and reads each delivery once."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import laws
from canvases.privacy import erase
from partners import sync
from partners.models import Batch, Outcome, Sync
from partners.models.tallies import no_counts
from partners.people import retry
from partners.queue import move, outcomes, tally, transitions
from tests.support.queue_world import total

pytestmark = pytest.mark.thorough


def _enter_errored(world, n):
    """Enqueue people and error them: seven by their rows (40002), others by their batch (50000)."""
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(n))
    now = timezone.now()
    with tally.atomic(now=now):
        batch = Batch.objects.get()
        delivery_ids = list(batch.deliveries.order_by("pk").values_list("pk", flat=True)[:7])
        outcomes.set_outcome(batch, delivery_ids, Outcome.ERRORED, reason="40002", now=now)
        transitions.finish([batch], Outcome.ERRORED, now=now, code="50000")
    return sync_row


def test_every_errored_person_is_retried_once(world, monkeypatch):
    monkeypatch.setattr(retry, "CHUNK", 10)
    sync_row = _enter_errored(world, 45)
    assert sync.retry_errored(sync_row, now=timezone.now()) == 45
    assert sync.retry_errored(sync_row, now=timezone.now()) == 0
    world.drain()
    assert world.counts(sync_row) == {"entered": 45, "synced": 45}
    assert world.members(sync_row.audience) == 45


@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize(("reason", "n"), [("40002", 7), ("50000", 38), ("51010", 0)])
def test_only_people_of_one_reason_are_retried(world, reason, n, is_moved):
    sync_row = _enter_errored(world, 45)
    target = world.create_sync(world.create_audience("new")) if is_moved else sync_row

    assert sync.retry_errored(sync_row, to=target, reason=reason, now=timezone.now()) == n
    assert _pending_and_errored(sync_row, target) == {"pending": n, "errored": 45 - n}
    assert laws.broken(now=timezone.now()) == []
    kept = sync.reasons([sync_row.pk])["errored"]
    assert kept == {code: some for code, some in (("40002", 7), ("50000", 38)) if code != reason}


@pytest.mark.parametrize("is_moved", [False, True])
def test_only_chosen_people_are_retried(world, is_moved):
    sync_row = _enter_errored(world, 45)
    target = world.create_sync(world.create_audience("new")) if is_moved else sync_row
    only = list(sync_row.deliveries.order_by("pk").values_list("pk", flat=True)[5:10])

    assert sync.retry_errored(sync_row, to=target, only=only, now=timezone.now()) == 5
    assert sync.retry_errored(sync_row, to=target, only=only, now=timezone.now()) == 0
    assert _pending_and_errored(sync_row, target) == {"pending": 5, "errored": 40}
    assert laws.broken(now=timezone.now()) == []
    assert sync.reasons([sync_row.pk])["errored"] == {"40002": 5, "50000": 35}
    world.drain()
    assert world.members(target.audience) == 5


def test_many_people_are_retried_in_chunks(world, monkeypatch):
    monkeypatch.setattr(retry, "CHUNK", 3)
    sync_row = _enter_errored(world, 20)

    assert sync.retry_errored(sync_row, reason="50000", now=timezone.now()) == 13
    assert _pending_and_errored(sync_row, sync_row) == {"pending": 13, "errored": 7}


def _pending_and_errored(*syncs):
    counts = total(syncs)
    return {name: counts[name] for name in ("pending", "errored")}


@pytest.mark.parametrize("is_gone", [False, True])
def test_erased_people_are_not_retried(world, settings, tmp_path, is_gone):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    sync_row = _enter_errored(world, 3)
    everybody = Profile.objects.values_list("pk", flat=True)
    erase.erase(world.app_group, everybody, asked_by="Alice", now=timezone.now())
    if is_gone:
        Profile.everybody.all().delete()
    sync.retry_errored(sync_row, now=timezone.now())
    world.drain()
    assert world.counts(sync_row) == {"entered": 3, "cancelled": 3}
    assert world.members(sync_row.audience) == 0
    assert laws.broken(now=timezone.now()) == []


def test_errored_people_are_retried_with_the_new_sync_of_the_step(world, monkeypatch):
    monkeypatch.setattr(move, "PEOPLE_PER_TRANSACTION", 10)
    sync_row, new_sync = _enter_errored(world, 45), world.create_sync(world.create_audience("new"))
    assert sync.retry_errored(sync_row, to=new_sync, now=timezone.now()) == 45
    assert laws.broken(now=timezone.now()) == []
    assert sync.retry_errored(sync_row, to=new_sync, now=timezone.now()) == 0
    world.drain()
    assert total(Sync.objects.all()) == no_counts() | {"entered": 45, "synced": 45}
    assert (world.members(sync_row.audience), world.members(new_sync.audience)) == (0, 45)


def test_a_retry_does_not_overrule_a_newer_removal(world):
    sync_row, new_sync = _enter_errored(world, 10), world.create_sync(world.create_audience("new"))
    rows = sync_row.deliveries.order_by("pk")
    removed = [*rows[5:8], rows.last()]  # two errored by their rows, two by their batch
    world.enter(
        world.create_sync(new_sync.audience, "remove"),
        Profile.objects.filter(deliveries__in=removed),
    )
    assert sync.retry_errored(sync_row, to=new_sync, now=timezone.now()) == 10
    world.drain()
    assert world.members(new_sync.audience) == 6
    assert laws.broken(now=timezone.now()) == []
