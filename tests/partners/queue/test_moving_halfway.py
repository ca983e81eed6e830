"""A move that is interrupted, cut, repeated: the marks on the batches say what is left to do."""

import pytest
from django.utils import timezone

from canvases import laws
from partners.models import Batch, Outcome
from partners.queue import flush, move, settle
from tests.partners.queue.test_moving import moved, net, pair, under_way

__all__ = ["moved", "pair"]


def test_a_worker_that_dies_between_two_stretches_leaves_the_rest_to_the_next_beat(
    world, pair, monkeypatch
):
    old, new = pair
    people = world.people(30)
    for start in range(0, 30, 10):
        world.enter(old, people[start : start + 10])
    monkeypatch.setattr(move, "PEOPLE", 10)
    move.move([old], to=new)
    real, calls = move._enter, []

    def dying(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(move, "_enter", dying)
    with pytest.raises(KeyboardInterrupt):
        move.go_on(now=timezone.now())
    assert (net(old, new), world.counts(new)) == (
        {"entered": 30, "pending": 30},
        {"entered": 10, "pending": 10},
    )
    assert laws.broken(now=timezone.now()) == []
    flush.beat()
    world.drain()
    assert (world.members(old.audience), world.members(new.audience)) == (0, 30)


def test_one_stretch_that_fails_holds_up_no_other(world, pair, monkeypatch, caplog):
    old, new = pair
    world.enter(old, world.people(2))
    world.enter(old, world.people(3))
    monkeypatch.setattr(move, "PEOPLE", 1)
    real, first = move._enter, Batch.objects.earliest("pk").pk
    monkeypatch.setattr(
        move, "_enter", lambda ids, **kw: 1 / 0 if first in ids else real(ids, **kw)
    )
    move.move([old], to=new)
    move.go_on(now=timezone.now())
    assert world.counts(new) == {"entered": 3, "pending": 3}


def test_pieces_that_a_worker_cuts_keep_the_mark(world, pair):
    old, new = pair
    world.enter(old, world.people(6))
    request, _parcel = under_way(world)
    move.move([old], to=new)
    settle._cut_to(request, 2, code="40011", now=timezone.now())
    assert Batch.objects.filter(state=Outcome.PENDING).count() == 3
    move.go_on(now=timezone.now())
    assert net(old, new) == {"entered": 6, "pending": 6}
    assert world.counts(new)["pending"] == 6


def test_moved_twice_they_end_where_the_step_leads_last(world, pair, moved):
    old, new = pair
    last = world.sync(world.audience("last"))
    world.enter(old, world.people(4))
    move.move([old], to=new)
    move.move([old, new], to=last)
    move.go_on(now=timezone.now())
    moved(new, last)
    world.drain()
    assert world.members(last.audience) == 4
    assert net(old, new, last) == {"entered": 4, "synced": 4}


def test_a_sync_that_people_are_on_their_way_into_counts_as_used(world, pair):
    old, new = pair
    world.enter(old, world.people(1))
    assert not new.is_used
    move.move([old], to=new)
    assert new.is_used
