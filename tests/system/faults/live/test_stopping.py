"""F30: a deploy stops the engine under load. What is under way is settled, the rest goes on after the next start."""

import time

import pytest

from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow
LONGEST = 25


def test_a_request_under_way_is_settled_and_nobody_is_lost(site):
    one = site(30_000)
    one.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=2.0)
    one.do(crowd.launch)
    one.start("engine")
    one.wait(lambda: one.pushes(), "nothing was sent")
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
    one.judge()
