"""A clock that jumps ahead errors people only after one more try, and blocks no batch."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from partners.models import AdAccount, Audience, Batch, Budget, Connection, Lane
from partners.queue import budget, collect, flush, settle
from partners.queue.push import pack, send

pytestmark = pytest.mark.thorough

# Two hours: with a correct clock, none of the times below is so far ahead.
AHEAD = timedelta(hours=2)
AHEAD_US = AHEAD // timedelta(microseconds=1)  # the unit of budgets


def test_a_clock_jump_during_a_call_errors_no_person(world):
    """The clock jumps ahead by 14 hours, past the deadline, between a request and its answer."""
    world.set_fault("code", code=50000)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    world.flush(seconds=0.3)  # the first failure starts the retry window
    Batch.objects.update(due_at=timezone.now())
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    answer = send(pack(request, post_by=float("inf"), most_rows=10_000), at=0)
    settle.settle(answer, now=timezone.now() + timedelta(hours=14))
    assert world.counts(sync_row) == {"entered": 3, "pending": 3}
    # One more attempt after the jump is enough.
    Batch.objects.update(deadline_at=timezone.now(), due_at=timezone.now())
    world.flush()
    assert world.counts(sync_row) == {"entered": 3, "errored": 3}


def _due_in_two_hours(world):
    Batch.objects.update(due_at=timezone.now() + AHEAD)


def _parked_for_two_hours(world):
    for table in (Connection, AdAccount, Audience):
        table.objects.update(parked_until=timezone.now() + AHEAD, parked_by="token")


def _leased_for_two_hours(world):
    Batch.objects.update(lease="dead", lease_until=timezone.now() + AHEAD)


def _lane_held_for_two_hours(world):
    Lane.objects.create(key=world.eu.lane, lease="dead", lease_until=timezone.now() + AHEAD)


def _budget_booked_for_two_hours(world):
    Budget.objects.create(
        key=f"app:tiktok:{settings.TIKTOK_APP_ID}", next_us=budget.now_us() + AHEAD_US
    )


def _budget_parked_for_two_hours(world):
    key = f"app:tiktok:{settings.TIKTOK_APP_ID}"
    Budget.objects.create(key=key, throttles=3, parked_us=budget.now_us() + AHEAD_US)


@pytest.mark.parametrize(
    "set_ahead",
    [
        _due_in_two_hours,
        _parked_for_two_hours,
        _leased_for_two_hours,
        _lane_held_for_two_hours,
        _budget_booked_for_two_hours,
        _budget_parked_for_two_hours,
    ],
)
def test_timestamps_two_hours_ahead_block_no_batch(world, set_ahead):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    set_ahead(world)
    flush.beat()
    assert world.counts(sync_row) == {"entered": 3, "synced": 3}


def test_leases_of_other_machines_survive_a_small_skew(world):
    """The clocks of other machines may be some seconds ahead."""
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now() + timedelta(seconds=20))
    assert collect.reclaim(now=timezone.now()) == 0
    assert collect.lease_lane(
        world.eu.lane, lease="theirs", now=timezone.now() + timedelta(seconds=20)
    )
    assert not collect.lease_lane(world.eu.lane, lease="ours", now=timezone.now())
