"""F27: a full disk leads to a 503, no partial write, no crash loop, few log lines."""

import os
import time

import pytest
import requests

from tests.system.faults.live import crowd
from tests.system.faults.live.full_disk import Raised, SmallFiles, SmallVolume

pytestmark = [pytest.mark.slow, pytest.mark.each_database]
FULL_SECONDS = 5
MOST_LINES = 40  # usually about eight: one per process that meets the error and one per failed task


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
    """Yield a site that is sending slowly, and its disk."""
    one = site(30_000)
    disk = full_disk(one)
    one.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=1.5)
    one.start("web", "engine")
    one.do(crowd.launch)
    one.wait(lambda: one.do(crowd.counts).get("pending"), "no people are pending")
    yield one, disk
    one.stop()


def marketer(one, url):
    """Return a signed-in browser that has opened the page."""
    browser = requests.Session()
    browser.cookies["sessionid"] = one.facts["session"]
    browser.get(url, timeout=120)
    return browser


def new_canvases(one, n):
    """Create n canvases through the form; yield the responses."""
    url = f"{one.url}/g/acme/canvases/new/"
    browser = marketer(one, url)
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "segment": one.facts["segment"]}
    for number in range(n):
        values = form | {"name": f"Canvas {number}", "description": "d" * 500}
        yield browser.post(url, values, allow_redirects=False, timeout=120)


def upload(one):
    """Upload a file of 6 MB, which needs disk and database; return the response."""
    url = f"{one.url}/g/acme/people/imports/new/"
    browser = marketer(one, url)
    rows = b"external_id\n" + os.urandom(3_000_000).hex().encode()
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    return browser.post(
        url, form, files={"file": ("p.csv", rows, "text/csv")}, allow_redirects=False, timeout=60
    )


def test_a_full_disk_is_reported_and_work_resumes_with_free_space(running):
    one, disk = running
    disk.fill()
    n_lines = len(one.whole_log("engine").splitlines())
    answers = list(new_canvases(one, 40))
    refused = upload(one)
    time.sleep(FULL_SECONDS)
    assert {answer.status_code for answer in answers} <= {302, 503}
    assert "The database is not ready" in next(
        answer.text for answer in answers if answer.status_code == 503
    )
    assert refused.status_code == 503
    assert "is full" in refused.text or "not ready" in refused.text
    log = one.whole_log("engine")
    assert "Engine restarts" not in log
    # Every line is JSON: no process ended with a traceback.
    assert [line for line in log.splitlines() if not line.startswith("{")] == []
    assert len(log.splitlines()) - n_lines < MOST_LINES
    disk.free()
    assert one.do(crowd.broken_laws_of_counting) == []
    assert one.rest() == {"entered": 30_000, "synced": 30_000}
    assert {answer.status_code for answer in [*new_canvases(one, 3), upload(one)]} == {302}
    one.check_at_rest()
