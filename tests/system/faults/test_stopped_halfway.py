"""F35: a canvas is stopped while half of its people are synced; a launch resumes it."""

import pytest
from django.utils import timezone

from canvases import engine
from canvases.models import Canvas
from partners.models import AdAccount

pytestmark = pytest.mark.thorough


@pytest.fixture
def stopped_step(live_step, world, alice, set_sync_times):
    """Return the step of a canvas that was stopped when some of its 1,000 people were synced."""
    AdAccount.objects.update(learned_cap=20)
    set_sync_times(requests_per_second=8.0)
    engine.beat()
    while not world.counts(live_step.sync).get("synced"):  # a busy machine may send none in 0.5 s
        world.flush(seconds=0.5)
    assert world.counts(live_step.sync)["synced"] < 1000
    engine.stop(Canvas.objects.get(), by=alice, now=timezone.now())
    set_sync_times(requests_per_second=5000.0)
    return live_step


def test_a_stopped_canvas_sends_cancels_and_admits_no_people(stopped_step, world):
    n_sent, counts = len(world.mappings()), world.counts(stopped_step.sync)
    world.create_people(50)
    engine.beat()
    world.beat_for(1)
    assert len(world.mappings()) == n_sent
    assert world.counts(stopped_step.sync) == counts
    assert counts["synced"] + counts["pending"] == 1000
    world.check_at_rest()


def test_a_launch_resumes_a_stopped_canvas(stopped_step, world, alice):
    engine.launch(Canvas.objects.get(), by=alice, now=timezone.now())
    engine.beat()
    world.drain()
    assert world.counts(stopped_step.sync) == {"entered": 1000, "synced": 1000}
    world.check_at_rest()
