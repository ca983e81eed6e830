"""A machine that stands still: what should have been sent meanwhile is not sent in one burst, but gets a new time."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from partners.models import Push
from partners.queue import collect, flush

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


def test_what_was_booked_with_a_request_whose_lease_took_long_is_booked_again(world, monkeypatch):
    world.eu.learned_cap = 1
    world.eu.save()
    asked = world.sync()
    world.enter(asked, world.people(flush.PLAN_AT_ONCE))
    taken, plan, take = [], collect.plan, collect.take

    def planning(*arguments, **named):
        taken.append(0)
        return plan(*arguments, **named)

    def slow_at_first(request, *, now):
        taken[-1] += 1
        if sum(taken) == 1:
            time.sleep(0.5)  # longer than all of them were booked for
        return take(request, now=now)

    monkeypatch.setattr(collect, "plan", planning)
    monkeypatch.setattr(collect, "take", slow_at_first)
    world.flush(seconds=10.0)
    assert taken[0] == 1
    assert sum(taken) == flush.PLAN_AT_ONCE
    assert world.counts(asked) == {"entered": flush.PLAN_AT_ONCE, "synced": flush.PLAN_AT_ONCE}


def test_what_was_booked_for_after_the_run_is_left(world, settings, monkeypatch):
    taken, take = [], collect.take
    monkeypatch.setattr(
        collect, "take", lambda request, *, now: taken.append(request) or take(request, now=now)
    )
    settings.SYNC = settings.SYNC | {"requests_per_second": 0.1}
    world.eu.learned_cap = 1
    world.eu.save()
    asked = world.sync()
    world.enter(asked, world.people(2))
    world.flush(seconds=1.0)
    assert world.counts(asked) == {"entered": 2, "pending": 1, "synced": 1}
    assert len(taken) == Push.objects.count() == 1
