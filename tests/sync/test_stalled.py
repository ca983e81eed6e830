"""A machine that stands still: what should have been sent meanwhile is not sent in one burst, but gets a new time."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from partners import flush
from partners.models import Push

STALL = flush.LATEST + 0.3


@pytest.fixture
def stalled(monkeypatch):
    """The first call of a run is handed to a thread that only wakes up long after its time."""
    handed = []

    class Stalling(ThreadPoolExecutor):
        def submit(self, call, /, *arguments, **named):
            handed.append(call)
            if len(handed) == 1:
                return super().submit(self._later, call, *arguments, **named)
            return super().submit(call, *arguments, **named)

        def _later(self, call, *arguments, **named):
            time.sleep(STALL)
            return call(*arguments, **named)

    monkeypatch.setattr(flush, "ThreadPoolExecutor", Stalling)
    return handed


def test_a_late_thread_does_not_send(world, stalled):
    asked = world.sync()
    world.enter(asked, world.people(3))
    world.flush(seconds=10.0)
    assert len(stalled) == 2  # handed over again, with a new time
    assert len(world.mappings()) == 1
    assert world.counts(asked) == {"entered": 3, "synced": 3}
    assert Push.objects.count() == 1
    assert world.members(asked.audience) == 3
