"""F24: the clock jumps ahead, goes back, or changes for summer. Nobody is errored untried, and nobody waits for hours."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from canvases import engine
from partners.models import Batch, Budget, Connection, Push
from partners.queue import collect
from tests.system.faults.lawful import TRUE_TIMES, N

pytestmark = pytest.mark.slow
HOUR = timedelta(hours=1)


@pytest.fixture
def failed_once(town, pace):
    """A thousand people who were refused once; they have 13 hours from now."""
    pace(**TRUE_TIMES)
    asked = town.sync()
    town.enter(asked, town.people(N))
    town.fault("http_error", status=503)
    town.beat()
    assert town.counts(asked) == {"entered": N, "pending": N}
    return asked


def test_f24_14_hours_ahead_they_are_tried_once_more_and_synced(town, failed_once):
    town.sandbox.faults.clear()
    with time_machine.travel(timezone.now() + 14 * HOUR):
        town.beat()
        assert town.counts(failed_once) == {"entered": N, "synced": N}
    town.judge()


def test_f24_14_hours_ahead_nobody_is_errored_untried(town, failed_once):
    jump = timezone.now() + 14 * HOUR
    with time_machine.travel(jump):
        town.beat()
        assert town.counts(failed_once) == {"entered": N, "errored": N}
        assert Push.objects.filter(at__gte=jump).count() == 1
    town.judge("errored")


def test_f24_2_hours_back_nobody_waits_for_them(town, pace):
    """What was written in the hours to come: a back-off, a lease of a worker that died, a parked connection."""
    pace(**TRUE_TIMES, lease=60.0, request_deadline=20.0)
    asked, held = town.sync(), town.sync(town.audience("uk", town.uk))
    with time_machine.travel(timezone.now() + 2 * HOUR):
        town.enter(asked, town.people(N))
        town.fault("http_error", status=503)
        town.beat()
        town.enter(held, town.people(N))
        assert collect.hold(town.uk.lane, lease="dead", now=timezone.now())
        [request] = collect.plan(town.uk.lane, most=1, now=timezone.now())
        assert collect.take(request, now=timezone.now())
        Connection.objects.update(
            parked_by="token", parked_until=timezone.now() + timedelta(minutes=5)
        )
    Budget.objects.update(next_us=2 * 3600 * 10**6 + 10**6 * int(timezone.now().timestamp()))
    assert Batch.objects.filter(due_at__gt=timezone.now() + HOUR).count() == 2
    town.sandbox.faults.clear()
    town.settle(seconds=20)
    assert (town.counts(asked), town.counts(held)) == ({"entered": N, "synced": N},) * 2
    town.judge()


@pytest.mark.parametrize(("month", "day"), [(3, 29), (10, 25)])
def test_f24_a_night_when_the_clocks_change_is_like_any_other(town, live, settings, month, day):
    settings.TIME_ZONE = "Europe/Berlin"
    night = datetime(2026, month, day, 0, 59, 59, tzinfo=UTC)
    with time_machine.travel(night):
        engine.beat()
        town.fault("http_error", status=503, count=2)
        town.settle()
        assert timezone.now() - night < HOUR
    assert town.counts(live.sync) == {"entered": N, "synced": N}
    town.judge()
