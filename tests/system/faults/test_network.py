"""F13 to F15: the partner is down for hours, does not answer, or answers endlessly slowly."""

import time
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from partners.models import Batch, Push
from tests.support.odd_servers import serve
from tests.support.queue_world import FAST
from tests.support.stack import wait_until
from tests.system.faults.checked_world import PRODUCTION_TIMES, N

pytestmark = pytest.mark.slow
HALF_AN_HOUR = timedelta(minutes=30)


def _entered(world):
    to_sync = world.sync()
    world.enter(to_sync, world.people(N))
    return to_sync


def test_f13_people_are_synced_after_an_outage_of_twelve_hours(world, pace):
    pace(**PRODUCTION_TIMES)
    to_sync, began = _entered(world), timezone.now()
    world.fault("http_error", status=503)
    for number in range(25):
        with time_machine.travel(began + number * HALF_AN_HOUR):
            world.beat()
    assert world.counts(to_sync) == {"entered": N, "pending": N}
    assert len(world.codes()) >= 20
    world.sandbox.faults.clear()
    with time_machine.travel(began + 25 * HALF_AN_HOUR):
        world.drain()
    assert world.counts(to_sync) == {"entered": N, "synced": N}
    assert {code for code in world.codes() if code} == set()
    world.check_at_rest()


def test_f14_a_request_that_times_out_before_it_is_applied_is_repeated(world, settings, pace):
    # The first requests go to a server that listens and never answers.
    pace(request_deadline=1.0, flush_seconds=0.5)
    to_sync = _entered(world)
    sandbox = settings.TIKTOK_API_URL
    with serve(lambda connection: time.sleep(60)) as (nowhere, _):
        settings.TIKTOK_API_URL = nowhere
        world.beat_until(Push.objects.exists)
    pace(**FAST)
    assert [push.code for push in Push.objects.all()] == ["no_answer"]
    assert world.counts(to_sync) == {"entered": N, "pending": N}
    settings.TIKTOK_API_URL = sandbox
    world.drain()
    assert world.counts(to_sync) == {"entered": N, "synced": N}
    assert len(world.mappings()) == 1
    world.check_at_rest()


def test_f14_a_request_that_times_out_after_it_is_applied_is_repeated_and_counted_once(world, pace):
    pace(request_deadline=1.0, flush_seconds=0.5)
    to_sync = _entered(world)
    world.fault("slow", seconds=60, count=1)
    world.beat_until(Push.objects.exists)
    assert world.counts(to_sync) == {"entered": N, "pending": N}
    wait_until(lambda: world.members(to_sync.audience) == N)
    pace(**FAST)
    world.drain()
    assert world.counts(to_sync) == {"entered": N, "synced": N}
    assert len(world.mappings()) == 2
    assert world.members(to_sync.audience) == N
    world.check_at_rest()


def test_f15_an_endless_answer_ends_at_the_deadline_of_the_request(world, pace):
    pace(request_deadline=3.0, flush_seconds=0.5, lease=6.0)
    to_sync = _entered(world)
    world.fault("drip", seconds=0.5, count=1)
    world.beat_until(Push.objects.exists)
    [push] = Push.objects.all()
    assert push.code == "no_answer"
    # At its deadline and within the lease; the whole answer would have taken a minute.
    assert 2_900 < push.ms < 6_000
    assert Batch.objects.get().n == N
    pace(**FAST, lease=60.0)
    world.drain()
    assert world.counts(to_sync) == {"entered": N, "synced": N}
    world.check_at_rest()
