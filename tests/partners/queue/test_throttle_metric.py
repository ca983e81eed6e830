"""The metric audsync_parked_people counts people whom a rate limit holds, by cause."""

import pytest

from partners.models import Budget
from partners.queue import budget

pytestmark = pytest.mark.thorough

PARKED = "audsync_parked_people{by=%s}"


@pytest.fixture
def pending_people(world):
    """Three people before their first attempt."""
    world.enter(world.create_sync(), world.create_people(3))


@pytest.mark.parametrize(
    ("key", "throttles", "by"),
    [
        ("app:tiktok:{app}", 1, "throttled"),
        ("app:tiktok:{app}", 12, "daily_limit"),
        ("lane:{lane}", 2, "throttled"),
        ("lane:{lane}", 12, "daily_limit"),
    ],
)
def test_people_parked_by_a_limit_are_counted_by_cause(
    scrape, world, pending_people, settings, key, throttles, by
):
    settings.SYNC = settings.SYNC | {"throttle_park": 300.0}
    key = key.format(app=settings.TIKTOK_APP_ID, lane=world.eu.lane)
    Budget.objects.create(key=key, throttles=throttles, parked_us=budget.now_us() + 60_000_000)
    assert {name: n for name, n in scrape().items() if "parked" in name} == {PARKED % by: 3}
    Budget.objects.update(throttles=0, parked_us=0)
    assert not [name for name in scrape() if "parked" in name]
