"""A used-up daily quota: the retry window runs on, or stops if the group chose so."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from partners import laws
from partners.models import Batch, Budget, Connection
from partners.queue import budget

pytestmark = pytest.mark.thorough

PARK_SECONDS = 0.1  # seconds; 300 in production


@pytest.fixture
def throttled_sync(world, settings):
    """Three people after their first attempt; each further park has the maximum length."""
    settings.SYNC = settings.SYNC | {"throttle_park": PARK_SECONDS}
    world.set_fault("code", code=50000, count=1)
    world.set_fault("throttle")
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    while not Budget.objects.filter(throttles__gt=0).exists():
        world.flush(seconds=0.5)
    return sync_row


def _approach_deadline():
    """Put the deadline of every pending batch shortly after the end of the present park.

    With a deadline during the park, the answer to the last try would extend no deadline.
    """
    at = timezone.now() + timedelta(seconds=PARK_SECONDS * 1.5)
    Batch.objects.update(
        deadline_at=at, first_failed_at=at - timedelta(seconds=3600), due_at=timezone.now()
    )


def test_throttled_time_counts_by_default(world, throttled_sync):
    _approach_deadline()
    world.drain()
    assert world.counts(throttled_sync) == {"entered": 3, "errored": 3}
    assert Batch.objects.get().last_code == "40100"


def test_throttled_time_does_not_count_if_the_group_chose_so(world, throttled_sync):
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    for _ in range(4):
        _approach_deadline()
        world.flush(seconds=PARK_SECONDS * 6)
        assert world.counts(throttled_sync) == {"entered": 3, "pending": 3}
        assert list(laws.broken(now=timezone.now())) == []
    world.sandbox.faults.clear()
    world.drain()
    assert world.counts(throttled_sync) == {"entered": 3, "synced": 3}


def test_the_retry_window_is_extended_by_a_day_at_most(world, throttled_sync):
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    now = timezone.now()
    first_failed_at = now - timedelta(hours=26)
    Batch.objects.update(deadline_at=now, first_failed_at=first_failed_at, due_at=now)
    Budget.objects.update(parked_us=0, next_us=0)
    world.drain()
    assert world.counts(throttled_sync) == {"entered": 3, "errored": 3}


def test_a_short_throttle_does_not_extend_the_deadline(world, throttled_sync, settings):
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    settings.SYNC = settings.SYNC | {"throttle_park": 300.0}
    before = Batch.objects.get().deadline_at
    Budget.objects.update(parked_us=0, next_us=0, throttles=0)
    while not Budget.objects.filter(throttles__gt=0).exists():
        world.flush(seconds=0.5)
    assert Batch.objects.get().deadline_at == before


def test_a_throttled_lane_extends_only_its_own_deadlines(world, settings):
    settings.SYNC = settings.SYNC | {"throttle_park": PARK_SECONDS}
    world.app_group.quota_stops_clock = True
    world.app_group.save()
    world.set_fault("code", code=50000, advertiser_id=world.uk.remote_id)
    world.set_fault("throttle", advertiser_id=world.eu.remote_id)
    eu, uk = world.create_sync(), world.create_sync(world.create_audience("uk", world.uk))
    world.enter(eu, world.create_people(2))
    world.enter(uk, world.create_people(2))
    longer = Batch.objects.filter(deadline_at__gt=F("first_failed_at") + timedelta(hours=1))
    while not longer.exists() or Batch.objects.filter(first_failed_at=None).exists():
        world.flush(seconds=0.5)
    left = {
        batch.ad_account_id: batch.deadline_at - batch.first_failed_at
        for batch in Batch.objects.all()
    }
    assert left[world.uk.pk] == timedelta(seconds=3600)
    assert left[world.eu.pk] > timedelta(seconds=3600)
    assert Connection.objects.get().parked_by == ""
    assert budget.throttled_lanes().keys() == {world.eu.lane}


@pytest.mark.parametrize("is_of_ad_account", [False, True])
def test_each_throttled_request_has_a_last_attempt_at_the_deadline(
    world, settings, is_of_ad_account
):
    """It has one whether the limit of the app or that of the ad account is used up."""
    settings.SYNC = settings.SYNC | {"throttle_park": 300.0}
    world.eu.learned_cap = 10
    world.eu.save()
    of_account = {"advertiser_id": world.eu.remote_id} if is_of_ad_account else {}
    world.set_fault("throttle", **of_account)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(50))
    while not Budget.objects.filter(throttles__gt=0).exists():
        world.flush(seconds=0.5)
    Budget.objects.update(parked_us=budget.now_us() + 250_000_000, throttles=9)
    before = len(world.mappings())
    Batch.objects.update(
        deadline_at=timezone.now(), first_failed_at=timezone.now() - timedelta(hours=1)
    )
    world.drain()
    assert world.counts(sync_row) == {"entered": 50, "errored": 50}
    assert len(world.mappings()) - before == 5


def test_throttled_batches_before_their_deadline_are_not_sent(world, throttled_sync):
    Budget.objects.update(parked_us=budget.now_us() + 250_000_000, throttles=9)
    before = len(world.mappings())
    world.flush(seconds=1)
    assert len(world.mappings()) == before
