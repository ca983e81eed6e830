"""F35: a canvas is stopped while half of its people are sent. Nobody is thrown out, nobody is sent, and a launch goes on."""

import pytest
from django.utils import timezone

from canvases import engine
from canvases.models import Canvas
from partners.models import AdAccount


@pytest.fixture
def stopped(live, town, alice, pace):
    """Some of 1,000 people are sent when the canvas is stopped."""
    AdAccount.objects.update(learned_cap=20)
    pace(requests_per_second=8.0)
    engine.beat()
    town.flush(seconds=0.5)
    assert 0 < town.counts(live.sync)["synced"] < 1000
    engine.stop(Canvas.objects.get(), by=alice, now=timezone.now())
    pace(requests_per_second=5000.0)
    return live


def test_nobody_is_sent_thrown_out_or_let_in(stopped, town):
    sent, counts = len(town.mappings()), town.counts(stopped.sync)
    town.people(50)
    engine.beat()
    town.beats(1)
    assert len(town.mappings()) == sent
    assert town.counts(stopped.sync) == counts
    assert counts["synced"] + counts["pending"] == 1000
    town.judge()


def test_a_launch_goes_on_where_it_was(stopped, town, alice):
    engine.launch(Canvas.objects.get(), by=alice, now=timezone.now())
    engine.beat()
    town.settle()
    assert town.counts(stopped.sync) == {"entered": 1000, "synced": 1000}
    town.judge()
