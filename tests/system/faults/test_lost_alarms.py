"""F42: no alarm rings (in a test that is rolled back none does); the beat finds everything by itself."""

import pytest

from canvases import engine
from tests.system.faults.lawful import N

pytestmark = pytest.mark.slow


def test_f42_two_beats_do_what_the_alarms_would_have_done(town, live):
    for _ in range(2):
        engine.beat()
        town.beat()
    assert town.counts(live.sync) == {"entered": N, "synced": N}
    town.judge()
