"""F28: workers without memory fail cleanly and lose no people; with memory the work resumes."""

import resource
import time
from pathlib import Path

import pytest

from tests.system.faults.live import crowd
from tests.system.faults.live.site import descendants

pytestmark = pytest.mark.slow
SHORT_SECONDS = 5
ENDLESS = resource.RLIM_INFINITY


def size(pid):
    """Return the size of a process's address space in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def limit(one, spare):
    """Let each process of the engine grow by at most ``spare`` bytes; None: without a limit."""
    for pid in descendants(one.processes["engine"].pid):
        most = ENDLESS if spare is None else size(pid) + spare
        resource.prlimit(pid, resource.RLIMIT_AS, (most, ENDLESS))


def failures(one):
    log = one.whole_log("engine")
    return (
        log.count("MemoryError") + log.count("can't start new thread") + log.count("out of memory")
    )


def test_workers_without_memory_lose_no_people(site):
    one = site(30_000)
    one.start("engine")
    one.wait(lambda: one.do(crowd.has_beaten), "the engine did not beat")
    limit(one, spare=1_000_000)
    one.do(crowd.launch)
    one.wait(lambda: failures(one), "no process ran out of memory")
    time.sleep(SHORT_SECONDS)
    assert one.do(crowd.broken_laws_of_counting) == []
    limit(one, spare=None)
    assert one.rest() == {"entered": 30_000, "synced": 30_000}
    assert "Engine restarts" not in one.whole_log("engine")
    one.check_at_rest()
