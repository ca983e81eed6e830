"""F27: the disk is full. A 503 in words, nothing half written, no crash loop, few lines; all goes on with the space."""

import os
import time

import pytest
import requests

from tests.system.faults.live import crowd
from tests.system.faults.live.full_disk import Raised, SmallFiles, SmallVolume

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


def marketer(one, url):
    """A browser that is signed in and has looked at the page."""
    browser = requests.Session()
    browser.cookies["sessionid"] = one.facts["session"]
    browser.get(url, timeout=30)
    return browser


def new_canvases(one, n):
    """The answers to a marketer who makes some."""
    url = f"{one.url}/g/acme/canvases/new/"
    browser = marketer(one, url)
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "segment": one.facts["segment"]}
    for number in range(n):
        wish = form | {"name": f"Canvas {number}", "description": "d" * 500}
        yield browser.post(url, wish, allow_redirects=False, timeout=30)


def uploaded(one):
    """The answer to a marketer who sends a file of 6 MB: it is held on the disk, then stored in the database."""
    url = f"{one.url}/g/acme/people/imports/new/"
    browser = marketer(one, url)
    rows = b"external_id\n" + os.urandom(3_000_000).hex().encode()
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    return browser.post(
        url, form, files={"file": ("p.csv", rows, "text/csv")}, allow_redirects=False, timeout=60
    )


def test_it_is_said_in_words_and_goes_on_when_there_is_space(running):
    one, disk = running
    disk.fill()
    said = len(one.whole_log("engine").splitlines())
    answers = list(new_canvases(one, 40))
    no_room = uploaded(one)
    time.sleep(FULL_SECONDS)
    assert {answer.status_code for answer in answers} <= {302, 503}
    assert "The database is not ready" in next(
        answer.text for answer in answers if answer.status_code == 503
    )
    assert (no_room.status_code, "is full" in no_room.text or "not ready" in no_room.text) == (
        503,
        True,
    )
    log = one.whole_log("engine")
    assert "Engine restarts" not in log
    assert [
        line for line in log.splitlines() if not line.startswith("{")
    ] == []  # nobody died of a traceback
    assert len(log.splitlines()) - said < MOST_LINES
    disk.free()
    assert one.do(crowd.broken_laws_of_counting) == []
    assert one.rest() == {"entered": 30_000, "synced": 30_000}
    assert {answer.status_code for answer in [*new_canvases(one, 3), uploaded(one)]} == {302}
    one.judge()
