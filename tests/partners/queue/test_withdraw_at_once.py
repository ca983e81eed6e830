"""When people leave two Syncs at the same time, exactly one of the two removes them."""

from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest
from django.db import transaction
from django.utils import timezone

from canvases import laws
from partners import sync
from partners.models import Delivery, Outcome, Sync
from tests.support.threads import Threads

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def test_two_syncs_left_at_once_remove_people_once(world):
    audience, people = world.create_audience(), world.create_people(3)
    pair = [world.create_sync(audience), world.create_sync(audience)]
    for to_sync in pair:
        world.enter(to_sync, people)
        world.drain()

    both = Barrier(2)

    def leave(to_sync):
        with transaction.atomic():
            sync.withdraw(to_sync, [person.pk for person in people], now=timezone.now())
            # The second thread gets here only after the first has committed: they never meet here.
            with suppress(BrokenBarrierError):
                both.wait(0.5)

    threads = Threads()
    for to_sync in pair:
        threads.start(lambda to_sync=to_sync: leave(to_sync))
    assert threads.join() == []
    removals = Delivery.objects.filter(sync__purpose=Sync.Purpose.LEFT)
    assert removals.filter(outcome=Outcome.NOT_SYNCED).count() == 3
    assert removals.filter(outcome=None).count() == 3
    world.drain()
    assert world.members(audience) == 0
    assert laws.broken(now=timezone.now()) == []
