"""F24: a clock that jumps, or summer time, neither delays people nor errors them without a try."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from canvases import engine
from partners.models import Batch, Budget, Connection, Push
from partners.queue import collect
from tests.system.faults.checked_world import N_PEOPLE, PRODUCTION_TIMES

pytestmark = [pytest.mark.slow, pytest.mark.each_database]
HOUR = timedelta(hours=1)


@pytest.fixture
def failed_sync(world, set_sync_times):
    """Return a Sync with N_PEOPLE people that failed once; their deadline is in 13 hours."""
    set_sync_times(**PRODUCTION_TIMES)
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(N_PEOPLE))
    world.set_fault("http_error", status=503)
    world.beat()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    return to_sync


def test_f24_people_past_their_deadline_after_a_jump_are_tried_once_more_and_synced(
    world, failed_sync
):
    world.sandbox.faults.clear()
    with time_machine.travel(timezone.now() + 14 * HOUR):
        world.beat()
        assert world.counts(failed_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    world.check_at_rest()


def test_f24_people_past_their_deadline_after_a_jump_are_errored_only_after_a_try(
    world, failed_sync
):
    jump = timezone.now() + 14 * HOUR
    with time_machine.travel(jump):
        world.beat()
        assert world.counts(failed_sync) == {"entered": N_PEOPLE, "errored": N_PEOPLE}
        assert Push.objects.filter(at__gte=jump).count() == 1
    world.check_at_rest("errored")


def test_f24_timestamps_in_the_future_after_a_jump_back_delay_no_people(world, set_sync_times):
    """Timestamps of a back-off, a lease, a budget and a parked connection lie in the future."""
    set_sync_times(**PRODUCTION_TIMES, lease=60.0, request_deadline=20.0)
    to_sync, held = world.create_sync(), world.create_sync(world.create_audience("uk", world.uk))
    with time_machine.travel(timezone.now() + 2 * HOUR):
        world.enter(to_sync, world.create_people(N_PEOPLE))
        world.set_fault("http_error", status=503)
        world.beat()
        world.enter(held, world.create_people(N_PEOPLE))
        assert collect.lease_lane(world.uk.lane, lease="dead", now=timezone.now())
        [request] = collect.plan(world.uk.lane, most=1, now=timezone.now())
        assert collect.lease_batches(request, now=timezone.now())
        Connection.objects.update(
            parked_by="token", parked_until=timezone.now() + timedelta(minutes=5)
        )
    # In two hours, in microseconds.
    Budget.objects.update(next_us=2 * 3600 * 10**6 + 10**6 * int(timezone.now().timestamp()))
    assert Batch.objects.filter(due_at__gt=timezone.now() + HOUR).count() == 2
    world.sandbox.faults.clear()
    world.drain()
    assert (world.counts(to_sync), world.counts(held)) == (
        {"entered": N_PEOPLE, "synced": N_PEOPLE},
    ) * 2
    world.check_at_rest()


@pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25)])
def test_f24_daylight_saving_time_changes_nothing(world, live_step, settings, month, day):
    settings.TIME_ZONE = "Europe/Berlin"
    night = datetime(2026, month, day, 0, 59, 59, tzinfo=UTC)
    with time_machine.travel(night):
        engine.beat()
        world.set_fault("http_error", status=503, count=2)
        world.drain()
        assert timezone.now() - night < HOUR
    assert world.counts(live_step.sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    world.check_at_rest()
