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
from tests.system.faults.checked_world import N_PEOPLE, PRODUCTION_TIMES

pytestmark = pytest.mark.slow
HALF_AN_HOUR = timedelta(minutes=30)


def _enter_people(world):
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(N_PEOPLE))
    return to_sync


def test_f13_people_are_synced_after_an_outage_of_twelve_hours(world, set_sync_times):
    set_sync_times(**PRODUCTION_TIMES)
    to_sync, started = _enter_people(world), timezone.now()
    world.set_fault("http_error", status=503)
    for number in range(25):
        with time_machine.travel(started + number * HALF_AN_HOUR):
            world.beat()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    assert len(world.codes()) >= 20
    world.sandbox.faults.clear()
    with time_machine.travel(started + 25 * HALF_AN_HOUR):
        world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert {code for code in world.codes() if code} == set()
    world.check_at_rest()


def test_f14_a_request_that_times_out_before_it_is_applied_is_repeated(
    world, settings, set_sync_times
):
    # The first requests go to a server that listens and never answers.
    set_sync_times(request_deadline=1.0, flush_seconds=0.5)
    to_sync = _enter_people(world)
    sandbox = settings.TIKTOK_API_URL
    with serve(lambda connection: time.sleep(60)) as (silent_url, _):
        settings.TIKTOK_API_URL = silent_url
        world.beat_until(Push.objects.exists)
    set_sync_times(**FAST)
    assert [push.code for push in Push.objects.all()] == ["no_answer"]
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    settings.TIKTOK_API_URL = sandbox
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert len(world.mappings()) == 1
    world.check_at_rest()


def test_f14_a_request_that_times_out_after_it_is_applied_is_repeated_and_counted_once(
    world, set_sync_times
):
    set_sync_times(request_deadline=1.0, flush_seconds=0.5)
    to_sync = _enter_people(world)
    world.set_fault("slow", seconds=60, count=1)
    world.beat_until(Push.objects.exists)
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    wait_until(lambda: world.members(to_sync.audience) == N_PEOPLE)
    set_sync_times(**FAST)
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert len(world.mappings()) == 2
    assert world.members(to_sync.audience) == N_PEOPLE
    world.check_at_rest()


def test_f15_an_endless_answer_ends_at_the_deadline_of_the_request(world, set_sync_times):
    set_sync_times(request_deadline=3.0, flush_seconds=0.5, lease=40.0)
    to_sync = _enter_people(world)
    world.set_fault("drip", seconds=0.5, count=1)
    world.beat_until(Push.objects.exists)
    [push] = Push.objects.all()
    assert push.code == "no_answer"
    # The call ended at its deadline, within the lease; the whole answer would take a minute.
    assert 2_900 < push.ms < 30_000
    assert Batch.objects.get().n == N_PEOPLE
    set_sync_times(**FAST, lease=60.0)
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    world.check_at_rest()
