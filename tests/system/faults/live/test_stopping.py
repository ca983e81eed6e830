"""F30: an engine stopped under load finishes its requests; the next start sends the rest."""

import time

import pytest

from tests.system.faults.live import crowd

pytestmark = pytest.mark.slow
MAX_SECONDS = 25  # from SIGTERM to the end of the engine


def test_a_stopped_engine_settles_its_requests_and_loses_no_people(make_site):
    # The deadline is long enough for a busy machine: if it were missed, people would be sent again.
    site = make_site(30_000, SYNC_REQUEST_DEADLINE="15", SYNC_LEASE="20")
    site.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=2.0)
    site.do(crowd.launch)
    site.start("engine")
    site.wait(lambda: site.pushes(), "no request was sent")
    engine, stopped_at = site.processes["engine"], time.monotonic()
    engine.terminate()
    assert engine.wait(MAX_SECONDS) == 0
    assert time.monotonic() - stopped_at < MAX_SECONDS
    assert site.do(crowd.counts)["synced"] == sum(line.people for line in site.pushes())
    site.server.sandbox.faults.clear()
    site.start("engine")
    assert site.await_rest() == {"entered": 30_000, "synced": 30_000}
    assert sum(line.people for line in site.pushes()) == 30_000
    site.check_at_rest()
