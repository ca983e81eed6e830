"""Retry of errored people: all of them, once, and each row of the Sync is looked at once."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import laws
from canvases.privacy import erase
from partners import sync
from partners.models import Batch, Outcome, Sync
from partners.models.queue import no_counts
from partners.queue import move, settle, tally


def _errored(world, n):
    asked = world.sync()
    world.enter(asked, world.people(n))
    now = timezone.now()
    with tally.gathered(now=now):
        batch = Batch.objects.get()
        some = list(batch.deliveries.order_by("pk").values_list("pk", flat=True)[:7])
        settle.give_outcome(batch, some, Outcome.ERRORED, reason="40002", now=now)
        settle.finish([batch], Outcome.ERRORED, now=now, code="50000")
    return asked


def test_everybody_is_retried_once(world, monkeypatch):
    monkeypatch.setattr(sync, "RETRY_CHUNK", 10)
    asked = _errored(world, 45)
    assert sync.retry_errored(asked, now=timezone.now()) == 45
    assert sync.retry_errored(asked, now=timezone.now()) == 0
    world.drain()
    assert world.counts(asked) == {"entered": 45, "synced": 45}
    assert world.members(asked.audience) == 45


def test_each_piece_begins_where_the_last_one_ended(world, monkeypatch):
    monkeypatch.setattr(sync, "RETRY_CHUNK", 10)
    asked = _errored(world, 45)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        sync.retry_errored(asked, now=timezone.now())
    starts = [re.search(r'"entry_key" > (\d+)', query["sql"]) for query in queries]
    keys = sorted(asked.deliveries.values_list("entry_key", flat=True))
    assert [int(found[1]) for found in starts if found] == [
        keys[9],
        keys[19],
        keys[29],
        keys[39],
        keys[44],
    ]


@pytest.mark.parametrize("is_gone", [False, True])
def test_who_is_erased_is_not_sent_again(world, settings, tmp_path, is_gone):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    asked = _errored(world, 3)
    everybody = Profile.objects.values_list("pk", flat=True)
    erase.erase(world.app_group, everybody, asked_by="Alice", now=timezone.now())
    if is_gone:
        Profile.everybody.all().delete()
    sync.retry_errored(asked, now=timezone.now())
    world.drain()
    assert world.counts(asked) == {"entered": 3, "cancelled": 3}
    assert world.members(asked.audience) == 0
    assert laws.broken(now=timezone.now()) == []


def test_errored_people_are_retried_with_what_the_step_asks_now(world, monkeypatch):
    monkeypatch.setattr(move, "PEOPLE", 10)
    asked, now_asked = _errored(world, 45), world.sync(world.audience("new"))
    assert sync.retry_errored(asked, to=now_asked, now=timezone.now()) == 45
    assert laws.broken(now=timezone.now()) == []
    assert sync.retry_errored(asked, to=now_asked, now=timezone.now()) == 0
    world.drain()
    assert sync.total(Sync.objects.all()) == no_counts() | {"entered": 45, "synced": 45}
    assert (world.members(asked.audience), world.members(now_asked.audience)) == (0, 45)


def test_errored_people_whom_a_later_step_removed_are_not_retried_elsewhere(world):
    asked, now_asked = _errored(world, 10), world.sync(world.audience("new"))
    some = Profile.objects.filter(
        deliveries__in=asked.deliveries.order_by("pk")[5:8]
    )  # three by name, three together
    world.enter(
        world.sync(now_asked.audience, "remove"),
        some | Profile.objects.filter(pk=Profile.objects.last().pk),
    )
    assert sync.retry_errored(asked, to=now_asked, now=timezone.now()) == 10
    world.drain()
    assert world.members(now_asked.audience) == 6
    assert laws.broken(now=timezone.now()) == []
