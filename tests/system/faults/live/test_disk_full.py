"""F27: with a full disk pages answer 503; nothing is half written, and the log stays short."""

import os
import time

import pytest
import requests

from tests.system.faults.live import crowd
from tests.system.faults.live.full_disk import RaisedError, SmallFiles, SmallVolume

pytestmark = [pytest.mark.slow, pytest.mark.each_database]
FULL_SECONDS = 5
# Each process that meets the error, and each failed task, logs a line: usually less than two.
MAX_LINES_PER_SECOND = 5


@pytest.fixture
def full_disk(is_sqlite):
    """full_disk(site) -> a disk to fill and to free."""
    disks = []

    def open_disk(site):
        try:
            disks.append(SmallFiles(site) if is_sqlite else SmallVolume(site))
        except OSError:
            disks.append(RaisedError(site))
        return disks[-1]

    yield open_disk
    for disk in disks:
        disk.close()


@pytest.fixture
def sending_site(full_disk, make_site):
    """Yield a site that is sending slowly, and its disk."""
    site = make_site(30_000)
    disk = full_disk(site)
    site.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=1.5)
    site.start("web", "engine")
    site.do(crowd.launch)
    site.wait(lambda: site.do(crowd.counts).get("pending"), "no people are pending")
    yield site, disk
    site.stop()


def signed_in_browser(site, url):
    """Return a signed-in browser that has opened the page."""
    browser = requests.Session()
    browser.cookies["sessionid"] = site.facts["session"]
    browser.get(url, timeout=120)
    return browser


def create_canvases(site, n):
    """Create n canvases through the form; yield the responses."""
    url = f"{site.url}/g/acme/canvases/new/"
    browser = signed_in_browser(site, url)
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"], "segment": site.facts["segment"]}
    for number in range(n):
        values = form | {"name": f"Canvas {number}", "description": "d" * 500}
        yield browser.post(url, values, allow_redirects=False, timeout=120)


def upload(site):
    """Upload a file of 6 MB, which needs disk and database; return the response."""
    url = f"{site.url}/g/acme/people/imports/new/"
    browser = signed_in_browser(site, url)
    rows = b"external_id\n" + os.urandom(3_000_000).hex().encode()
    form = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
    return browser.post(
        url, form, files={"file": ("p.csv", rows, "text/csv")}, allow_redirects=False, timeout=60
    )


def test_a_full_disk_is_reported_and_work_resumes_with_free_space(sending_site):
    site, disk = sending_site
    disk.fill()
    n_lines, full_at = len(site.whole_log("engine").splitlines()), time.monotonic()
    answers = list(create_canvases(site, 40))
    upload_answer = upload(site)
    time.sleep(FULL_SECONDS)
    assert {answer.status_code for answer in answers} <= {302, 503}
    assert "The database is not ready" in next(
        answer.text for answer in answers if answer.status_code == 503
    )
    assert upload_answer.status_code == 503
    assert "is full" in upload_answer.text or "not ready" in upload_answer.text
    seconds, log = time.monotonic() - full_at, site.whole_log("engine")
    assert "Engine restarts" not in log
    # Every line is JSON: no process ended with a traceback.
    assert [line for line in log.splitlines() if not line.startswith("{")] == []
    assert len(log.splitlines()) - n_lines < MAX_LINES_PER_SECOND * seconds
    disk.free()
    assert site.do(crowd.broken_laws_of_counting) == []
    assert site.await_rest() == {"entered": 30_000, "synced": 30_000}
    assert {answer.status_code for answer in [*create_canvases(site, 3), upload(site)]} == {302}
    site.check_at_rest()
