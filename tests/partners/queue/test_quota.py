"""A daily limit that is used up: the 13 hours run on, or stand still where the group wants it so."""

from datetime import timedelta

import pytest
from django.utils import timezone

from partners import laws
from partners.models import Batch, Budget, Connection
from partners.queue import budget

PARK = 0.1  # the longest park of these tests, as 5 minutes are in life


@pytest.fixture
def locked_out(world, settings):
    """Three people, tried for the first time; from now on every park is as long as they get."""
    settings.SYNC = settings.SYNC | {"throttle_park": PARK}
    world.fault("code", code=50000, count=1)
    world.fault("throttle")
    asked = world.sync()
    world.enter(asked, world.people(3))
    while not Budget.objects.filter(throttles__gt=0).exists():
        world.flush(seconds=0.5)
    return asked


def _deadline_is_near():
    """Whoever waits has been waiting for nearly 13 hours."""
    at = timezone.now() + timedelta(seconds=PARK / 2)
    Batch.objects.update(
        deadline_at=at, first_failed_at=at - timedelta(seconds=3600), due_at=timezone.now()
    )


def test_by_default_the_time_counts(world, locked_out):
    _deadline_is_near()
    world.drain(seconds=4)
    assert world.counts(locked_out) == {"entered": 3, "errored": 3}
    assert Batch.objects.get().last_code == "40100"


def test_the_clock_stands_still_where_the_group_wants_it(world, locked_out):
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    for _ in range(4):
        _deadline_is_near()
        world.flush(seconds=PARK * 6)
        assert world.counts(locked_out) == {"entered": 3, "pending": 3}
        assert list(laws.broken(now=timezone.now())) == []
    world.sandbox.faults.clear()
    world.drain()
    assert world.counts(locked_out) == {"entered": 3, "synced": 3}


def test_it_stands_still_for_a_day_at_most(world, locked_out):
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    now = timezone.now()
    began = now - timedelta(hours=26)
    Batch.objects.update(deadline_at=now, first_failed_at=began, due_at=now)
    Budget.objects.update(parked_us=0, next_us=0)
    world.drain(seconds=4)
    assert world.counts(locked_out) == {"entered": 3, "errored": 3}


def test_a_short_throttle_is_no_daily_limit(world, locked_out, settings):
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    settings.SYNC = settings.SYNC | {"throttle_park": 300.0}
    before = Batch.objects.get().deadline_at
    Budget.objects.update(parked_us=0, next_us=0, throttles=0)
    while not Budget.objects.filter(throttles__gt=0).exists():
        world.flush(seconds=0.5)
    assert Batch.objects.get().deadline_at == before


def test_a_lane_of_its_own_stops_no_other_clock(world, settings):
    settings.SYNC = settings.SYNC | {"throttle_park": PARK}
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    world.fault("code", code=50000, advertiser_id=world.uk.remote_id)
    world.fault("throttle", advertiser_id=world.eu.remote_id)
    eu, uk = world.sync(), world.sync(world.audience("uk", world.uk))
    world.enter(eu, world.people(2))
    world.enter(uk, world.people(2))
    world.drain(seconds=2)
    left = {
        batch.ad_account_id: batch.deadline_at - batch.first_failed_at
        for batch in Batch.objects.all()
    }
    assert left[world.uk.pk] == timedelta(seconds=3600)
    assert left[world.eu.pk] > timedelta(seconds=3600)
    assert Connection.objects.get().parked_by == ""
    assert budget.throttled_lanes().keys() == {world.eu.remote_id}


@pytest.mark.parametrize("advertiser_id", [None, "the ad account's own"])
def test_each_of_many_requests_has_its_last_try_at_the_deadline(world, settings, advertiser_id):
    settings.SYNC = settings.SYNC | {"throttle_park": 300.0}
    world.eu.learned_cap = 10
    world.eu.save()
    world.fault("throttle", **({"advertiser_id": world.eu.remote_id} if advertiser_id else {}))
    asked = world.sync()
    world.enter(asked, world.people(50))
    while not Budget.objects.filter(throttles__gt=0).exists():
        world.flush(seconds=0.5)
    Budget.objects.update(parked_us=budget.now_us() + 250_000_000, throttles=9)
    before = len(world.mappings())
    Batch.objects.update(
        deadline_at=timezone.now(), first_failed_at=timezone.now() - timedelta(hours=1)
    )
    world.drain(seconds=10)
    assert world.counts(asked) == {"entered": 50, "errored": 50}
    assert len(world.mappings()) - before == 5


def test_whose_time_is_not_over_waits(world, locked_out):
    Budget.objects.update(parked_us=budget.now_us() + 250_000_000, throttles=9)
    before = len(world.mappings())
    world.flush(seconds=1)
    assert len(world.mappings()) == before
