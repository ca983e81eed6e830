"""An interrupted, split or repeated move continues from the marks on the batches."""

import pytest
from django.utils import timezone

from canvases import laws
from partners.models import Batch, Outcome
from partners.queue import flush, move, settle
from tests.partners.queue.test_move import lease_request, move_people, net_counts, pair

pytestmark = pytest.mark.thorough

__all__ = ["move_people", "pair"]  # fixtures of the other module


def test_the_next_beat_finishes_a_move_that_died_between_two_chunks(world, pair, monkeypatch):
    old, new = pair
    people = world.create_people(30)
    for start in range(0, 30, 10):
        world.enter(old, people[start : start + 10])
    monkeypatch.setattr(move, "PEOPLE_PER_TRANSACTION", 10)
    move.move([old], to=new)
    real, calls = move._move_batches, []

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(move, "_move_batches", failing)
    with pytest.raises(KeyboardInterrupt):
        move.move_marked(now=timezone.now())
    assert (net_counts(old, new), world.counts(new)) == (
        {"entered": 30, "pending": 30},
        {"entered": 10, "pending": 10},
    )
    assert laws.broken(now=timezone.now()) == []
    flush.beat()
    world.drain()
    assert (world.members(old.audience), world.members(new.audience)) == (0, 30)


def test_a_failing_chunk_blocks_no_other_chunk(world, pair, monkeypatch):
    old, new = pair
    world.enter(old, world.create_people(2))
    world.enter(old, world.create_people(3))
    monkeypatch.setattr(move, "PEOPLE_PER_TRANSACTION", 1)
    real, first = move._move_batches, Batch.objects.earliest("pk").pk
    monkeypatch.setattr(
        move, "_move_batches", lambda ids, **kw: 1 / 0 if first in ids else real(ids, **kw)
    )
    move.move([old], to=new)
    move.move_marked(now=timezone.now())
    assert world.counts(new) == {"entered": 3, "pending": 3}


def test_split_batches_keep_the_mark(world, pair):
    old, new = pair
    world.enter(old, world.create_people(6))
    request, _parcel = lease_request(world)
    move.move([old], to=new)
    settle._cut_to(request, 2, code="40011", now=timezone.now())
    assert Batch.objects.filter(state=Outcome.PENDING).count() == 3
    move.move_marked(now=timezone.now())
    assert net_counts(old, new) == {"entered": 6, "pending": 6}
    assert world.counts(new)["pending"] == 6


def test_people_moved_twice_end_in_the_last_audience(world, pair, move_people):
    old, new = pair
    last = world.create_sync(world.create_audience("last"))
    world.enter(old, world.create_people(4))
    move.move([old], to=new)
    move.move([old, new], to=last)
    move.move_marked(now=timezone.now())
    move_people(new, last)
    world.drain()
    assert world.members(last.audience) == 4
    assert net_counts(old, new, last) == {"entered": 4, "synced": 4}


def test_the_target_of_an_open_move_counts_as_used(world, pair):
    old, new = pair
    world.enter(old, world.create_people(1))
    assert not new.is_used
    move.move([old], to=new)
    assert new.is_used
