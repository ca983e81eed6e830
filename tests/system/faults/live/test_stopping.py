"""F30: an engine stopped under load finishes its requests; the next start sends the rest."""

import time

import pytest

from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow
LONGEST = 25


def test_a_stopped_engine_settles_its_requests_and_loses_no_people(site):
    one = site(30_000)
    one.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=2.0)
    one.do(crowd.launch)
    one.start("engine")
    one.wait(lambda: one.pushes(), "no request was sent")
    engine, asked_at = one.processes["engine"], time.monotonic()
    engine.terminate()
    assert engine.wait(LONGEST) == 0
    assert time.monotonic() - asked_at < LONGEST
    under_way = len(one.pushes())
    assert one.do(crowd.counts)["synced"] == sum(line.people for line in one.pushes())
    one.server.sandbox.faults.clear()
    one.start("engine")
    assert one.rest() == {"entered": 30_000, "synced": 30_000}
    assert len(one.pushes()) >= under_way
    assert sum(line.people for line in one.pushes()) == 30_000
    one.check_at_rest()
