"""F28: workers without memory fail cleanly and lose no people; with memory the work resumes."""

import resource
import time
from pathlib import Path

import pytest

from tests.system.faults.live import crowd
from tests.system.faults.live.site import descendants

pytestmark = pytest.mark.slow
WITHOUT_MEMORY_SECONDS = 5
UNLIMITED = resource.RLIM_INFINITY


def address_space(pid):
    """Return the size of a process's address space in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


def limit_memory(site, spare):
    """Let each process of the engine grow by at most ``spare`` bytes; None: without a limit."""
    for pid in descendants(site.processes["engine"].pid):
        max_bytes = UNLIMITED if spare is None else address_space(pid) + spare
        resource.prlimit(pid, resource.RLIMIT_AS, (max_bytes, UNLIMITED))


def count_memory_errors(site):
    log = site.whole_log("engine")
    return (
        log.count("MemoryError") + log.count("can't start new thread") + log.count("out of memory")
    )


def test_workers_without_memory_lose_no_people(make_site):
    site = make_site(30_000)
    site.start("engine")
    site.wait(lambda: site.do(crowd.has_beaten), "the engine did not beat")
    limit_memory(site, spare=1_000_000)
    site.do(crowd.launch)
    site.wait(lambda: count_memory_errors(site), "no process ran out of memory")
    time.sleep(WITHOUT_MEMORY_SECONDS)
    assert site.do(crowd.broken_laws_of_counting) == []
    limit_memory(site, spare=None)
    assert site.await_rest() == {"entered": 30_000, "synced": 30_000}
    assert "Engine restarts" not in site.whole_log("engine")
    site.check_at_rest()
