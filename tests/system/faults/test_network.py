"""F13 to F15: the partner is down for long, unheard, or endlessly slow."""

import time
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from partners.models import Batch, Push
from tests.support.odd_servers import serve
from tests.system.faults.lawful import TRUE_TIMES, N

pytestmark = pytest.mark.slow
HALF_AN_HOUR = timedelta(minutes=30)


def _entered(town):
    asked = town.sync()
    town.enter(asked, town.people(N))
    return asked


def test_f13_a_partner_that_is_down_for_twelve_hours_costs_nobody(town, pace):
    """Longer than an hour: with a deadline of twelve they would be errored."""
    pace(**TRUE_TIMES)
    asked, began = _entered(town), timezone.now()
    town.fault("http_error", status=503)
    for number in range(25):
        with time_machine.travel(began + number * HALF_AN_HOUR):
            town.beat()
    assert town.counts(asked) == {"entered": N, "pending": N}
    assert len(town.codes()) >= 20
    town.sandbox.faults.clear()
    with time_machine.travel(began + 25 * HALF_AN_HOUR):
        town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    assert {code for code in town.codes() if code} == set()
    town.judge()


def test_f14_a_time_out_before_it_was_applied(town, settings, pace):
    """The first requests go to somebody who listens and never answers."""
    pace(request_deadline=1.0, flush_seconds=0.5)
    asked = _entered(town)
    sandbox = settings.TIKTOK_API_URL
    with serve(lambda connection: time.sleep(4)) as (nowhere, _):
        settings.TIKTOK_API_URL = nowhere
        town.beat_until(Push.objects.exists)
    assert [push.code for push in Push.objects.all()] == ["no_answer"]
    assert town.counts(asked) == {"entered": N, "pending": N}
    settings.TIKTOK_API_URL = sandbox
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    assert len(town.mappings()) == 1
    town.judge()


def test_f14_a_time_out_after_it_was_applied(town, pace):
    pace(request_deadline=1.0, flush_seconds=0.5)
    asked = _entered(town)
    town.fault("slow", seconds=4, count=1)
    town.beat_until(Push.objects.exists)
    assert town.counts(asked) == {"entered": N, "pending": N}
    assert town.members(asked.audience) == N
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    assert len(town.mappings()) == 2
    assert town.members(asked.audience) == N
    town.judge()


def test_f15_an_endless_answer_ends_with_the_deadline_of_the_request(town, pace):
    pace(request_deadline=3.0, flush_seconds=0.5, lease=6.0)
    asked = _entered(town)
    town.fault("drip", seconds=0.5, count=1)
    town.beat_until(Push.objects.exists)
    [push] = Push.objects.all()
    assert push.code == "no_answer"
    assert (
        2_900 < push.ms < 6_000
    )  # its deadline, and less than the lease; the answer would have taken a minute
    assert Batch.objects.get().n == N
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    town.judge()
