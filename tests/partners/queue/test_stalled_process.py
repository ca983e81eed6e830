"""A process that stalled does not send a burst of overdue requests: it books them again."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from partners.models import Push
from partners.queue import collect, flush

pytestmark = pytest.mark.thorough

STALL_SECONDS = flush.SEND_TOLERANCE + 0.3


@pytest.fixture
def submitted_calls(monkeypatch):
    """The calls submitted to threads. The first one runs long after its booked time."""
    submitted = []

    class Stalling(ThreadPoolExecutor):
        def submit(self, call, /, *arguments, **named):
            submitted.append(call)
            if len(submitted) == 1:
                # On a busy machine, later calls must not be too late.
                monkeypatch.setattr(flush, "SEND_TOLERANCE", 60.0)
                return super().submit(self._later, call, *arguments, **named)
            return super().submit(call, *arguments, **named)

        def _later(self, call, *arguments, **named):
            time.sleep(STALL_SECONDS)
            return call(*arguments, **named)

    monkeypatch.setattr(flush, "ThreadPoolExecutor", Stalling)
    return submitted


def test_a_late_thread_does_not_send_and_books_again(world, submitted_calls):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    world.flush(seconds=10.0)
    assert len(submitted_calls) == 2  # submitted again with a new time
    assert len(world.mappings()) == 1
    assert world.counts(sync_row) == {"entered": 3, "synced": 3}
    assert Push.objects.count() == 1
    assert world.members(sync_row.audience) == 3


def test_requests_planned_with_a_slow_lease_are_booked_again(world, monkeypatch):
    world.eu.learned_cap = 1
    world.eu.save()
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(flush.MAX_REQUESTS_PER_PLAN))
    leases_per_plan, plan, lease_batches = [], collect.plan, collect.lease_batches

    def planning(*arguments, **named):
        leases_per_plan.append(0)
        return plan(*arguments, **named)

    def slow_at_first(request, *, now):
        leases_per_plan[-1] += 1
        if sum(leases_per_plan) == 1:
            time.sleep(0.5)  # longer than the booked times of all requests
        return lease_batches(request, now=now)

    monkeypatch.setattr(flush, "SEND_TOLERANCE", 60.0)  # a busy machine sends late
    monkeypatch.setattr(collect, "plan", planning)
    monkeypatch.setattr(collect, "lease_batches", slow_at_first)
    world.flush(seconds=10.0)
    assert leases_per_plan[0] == 1
    assert sum(leases_per_plan) == flush.MAX_REQUESTS_PER_PLAN
    assert world.counts(sync_row) == {
        "entered": flush.MAX_REQUESTS_PER_PLAN,
        "synced": flush.MAX_REQUESTS_PER_PLAN,
    }


def test_a_run_that_stood_still_books_its_only_request_again(world, monkeypatch):
    waits, book = [-1.0], flush.Flush._book  # the first booked time passed one second ago
    monkeypatch.setattr(
        flush.Flush, "_book", lambda *arguments: [waits.pop()] if waits else book(*arguments)
    )
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    world.flush(seconds=10.0)
    assert world.counts(sync_row) == {"entered": 3, "synced": 3}


@pytest.mark.usefixtures("late_requests_are_sent")
def test_a_request_booked_after_the_end_of_the_run_is_not_leased(world, settings, monkeypatch):
    leased, lease_batches = [], collect.lease_batches
    monkeypatch.setattr(
        collect,
        "lease_batches",
        lambda request, *, now: leased.append(request) or lease_batches(request, now=now),
    )
    settings.SYNC = settings.SYNC | {"requests_per_second": 0.1}
    world.eu.learned_cap = 1
    world.eu.save()
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(2))
    world.flush(seconds=5.0)
    assert world.counts(sync_row) == {"entered": 2, "pending": 1, "synced": 1}
    assert len(leased) == Push.objects.count() == 1
