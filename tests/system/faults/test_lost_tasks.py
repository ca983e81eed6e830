"""F42: all django-q2 tasks are lost; the beats find the work in the tables."""

import pytest

from canvases import engine
from tests.system.faults.checked_world import N_PEOPLE

pytestmark = pytest.mark.slow


def test_f42_two_beats_replace_lost_tasks(world, live_step):
    # This test runs in a transaction that never commits, so on_commit queues no task.
    for _ in range(2):
        engine.beat()
        world.beat()
    assert world.counts(live_step.sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    world.check_at_rest()
