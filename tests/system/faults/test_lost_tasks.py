"""F42: the queue's tasks are lost; the heartbeat finds all work by itself."""

import pytest

from canvases import engine
from tests.system.faults.checked_world import N_PEOPLE

pytestmark = pytest.mark.slow


def test_f42_two_beats_replace_lost_tasks(world, live_step):
    # A test in a transaction is rolled back, so no task is queued on commit.
    for _ in range(2):
        engine.beat()
        world.beat()
    assert world.counts(live_step.sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    world.check_at_rest()
