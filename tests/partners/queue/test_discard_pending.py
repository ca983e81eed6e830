"""Discarded pending people are never sent; people who enter later are."""

from partners import sync
from partners.models import Reason
from partners.queue import flush, move


def test_discarded_people_are_not_sent_and_later_ones_are(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(4))
    assert move.discard([sync_row]) == 4
    world.enter(sync_row, world.create_people(3))
    flush.beat()
    world.drain()
    assert world.counts(sync_row) == {"entered": 7, "cancelled": 4, "synced": 3}
    assert len(world.mappings()) == 1  # no revert, because no add was sent
    assert sync.reasons([sync_row.pk])["cancelled"] == {Reason.DISCARDED: 4}


def test_a_move_leaves_discarded_people_discarded(world):
    old, new = (
        world.create_sync(world.create_audience("old")),
        world.create_sync(world.create_audience("new")),
    )
    world.enter(old, world.create_people(4))
    move.discard([old])
    assert move.move([old], to=new) == 0
    flush.beat()
    assert world.counts(old) == {"entered": 4, "cancelled": 4}
    assert world.counts(new) == {}
