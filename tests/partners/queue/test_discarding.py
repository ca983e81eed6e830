"""People who wait and are discarded: never sent, and nothing that comes later is touched."""

from partners import sync
from partners.models import Reason
from partners.queue import flush, move


def test_discarded_people_are_never_sent_and_newcomers_are(world):
    asked = world.sync()
    world.enter(asked, world.people(4))
    assert move.discard([asked]) == 4
    world.enter(asked, world.people(3))
    flush.beat()
    world.drain()
    assert world.counts(asked) == {"entered": 7, "cancelled": 4, "synced": 3}
    assert len(world.mappings()) == 1  # nothing to take back: nothing was sent
    assert sync.reasons([asked.pk])["cancelled"] == {Reason.DISCARDED: 4}


def test_what_was_discarded_stays_discarded_whatever_is_moved_later(world):
    old, new = world.sync(world.audience("old")), world.sync(world.audience("new"))
    world.enter(old, world.people(4))
    move.discard([old])
    assert move.move([old], to=new) == 0
    flush.beat()
    assert world.counts(old) == {"entered": 4, "cancelled": 4}
    assert world.counts(new) == {}
