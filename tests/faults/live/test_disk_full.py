"""F27: the disk is full. A 503 in words, nothing half written, no crash loop, few lines; all goes on with the space."""

import time

import pytest
import requests

from tests.faults.live import crowd
from tests.faults.live.full_disk import Raised, SmallFiles, SmallVolume

pytestmark = pytest.mark.slow
FULL_SECONDS = 5
MOST_LINES = 40  # some eight are usual: one per process that meets it, one per task that failed


@pytest.fixture
def full_disk(is_sqlite):
    """full_disk(site) -> a disk to fill and to free."""
    disks = []

    def make(site):
        try:
            disks.append(SmallFiles(site) if is_sqlite else SmallVolume(site))
        except OSError:
            disks.append(Raised(site))
        return disks[-1]

    yield make
    for disk in disks:
        disk.close()


@pytest.fixture
def running(full_disk, site):
    """A site with web and engine whose requests take a while, and its disk."""
    one = site(30_000)
    disk = full_disk(one)
    one.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=1.5)
    one.start("web", "engine")
    one.do(crowd.launch)
    one.wait(lambda: one.do(crowd.counts).get("pending"), "nobody is on the way")
    yield one, disk
    one.stop()


def new_canvases(one, n):
    """The answers to a marketer who makes some."""
    browser = requests.Session()
    browser.cookies["sessionid"] = one.facts["session"]
    url = f"{one.url}/g/acme/canvases/new/"
    browser.get(url, timeout=30)
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "segment": one.facts["segment"]}
    for number in range(n):
        wish = form | {"name": f"Canvas {number}", "description": "d" * 500}
        yield browser.post(url, wish, allow_redirects=False, timeout=30)


def test_it_is_said_in_words_and_goes_on_when_there_is_space(running):
    one, disk = running
    disk.fill()
    said = len(one.whole_log("engine").splitlines())
    answers = list(new_canvases(one, 40))
    time.sleep(FULL_SECONDS)
    assert {answer.status_code for answer in answers} <= {302, 503}
    assert "The database is not ready" in next(answer.text for answer in answers if answer.status_code == 503)
    log = one.whole_log("engine")
    assert "Engine restarts" not in log
    assert [line for line in log.splitlines() if not line.startswith("{")] == []  # nobody died of a traceback
    assert len(log.splitlines()) - said < MOST_LINES
    disk.free()
    assert one.do(crowd.broken_laws_of_counting) == []
    assert one.rest() == {"entered": 30_000, "synced": 30_000}
    assert {answer.status_code for answer in new_canvases(one, 3)} == {302}
    one.judge()
