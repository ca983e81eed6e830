"""F13 to F15: the partner is down for long, unheard, or endlessly slow."""

import time
from datetime import timedelta

import pytest

from partners.models import Batch, Push
from tests.faults.lawful import N
from tests.partners.servers import serve

pytestmark = pytest.mark.slow


def _entered(town):
    asked = town.sync()
    town.enter(asked, town.people(N))
    return asked


def test_f13_a_partner_that_is_down_for_long_costs_nobody(town):
    asked = _entered(town)
    town.fault("http_error", status=503)
    town.beats(1.5)
    assert town.counts(asked) == {"entered": N, "pending": N}
    assert len(town.codes()) >= 5
    town.sandbox.faults.clear()
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
        town.beat()
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
    town.beat()
    assert town.counts(asked) == {"entered": N, "pending": N}
    assert town.members(asked.audience) == N
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    assert len(town.mappings()) == 2
    assert town.members(asked.audience) == N
    town.judge()


def test_f15_an_endless_answer_ends_with_the_deadline_of_the_request(town, pace):
    pace(request_deadline=1.0, flush_seconds=0.5, lease=20.0)
    asked = _entered(town)
    town.fault("drip", seconds=0.5, count=1)
    began = time.monotonic()
    town.beat()
    assert time.monotonic() - began < 30  # the whole answer would have taken a minute or more
    [push] = Push.objects.all()
    assert push.code == "no_answer"
    assert push.at + timedelta(milliseconds=push.ms) < Batch.objects.get().due_at + timedelta(seconds=19)
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    town.judge()
