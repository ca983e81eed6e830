"""F05, F06: workers are killed during an import; an upload is cut off in the middle."""

import os
import random
import signal
import socket
import struct
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests
from django.test import Client
from django.utils import timezone

from audiencesync.groups.models import User
from audiencesync.people.imports import runner
from audiencesync.people.models import Profile
from audiencesync.people.models.imports import Import, UploadPart
from tests.support.import_pages import ImportPages
from tests.system.crash.points import Points
from tests.system.faults.live.conftest import make_site, prepared
from tests.system.faults.live.site import MAX_SECONDS

__all__ = ["make_site", "prepared"]
pytestmark = [pytest.mark.slow, pytest.mark.each_database]
N_ROWS, N_KILLS = 100_000, 5


def _rows():
    """Yield CSV rows: every tenth repeats a profile, every thousandth has no external id."""
    for n in range(N_ROWS):
        yield f"{'' if n % 1000 == 999 else n - 1 if n % 10 == 9 else n},p{n}@example.org"


def _start_import():
    """Upload and start an import through the pages."""
    browser = Client()
    browser.force_login(User.objects.get())
    ImportPages(browser).start("\n".join(["external_id,email", *_rows()]))


def _run_import(send, kill_at, point):
    """Import chunk by chunk; after ``kill_at`` bytes, die at the ``point``-th kill point."""
    runner.LEASE, runner.TURN_SECONDS = timedelta(seconds=0.05), 0.0
    points = Points(None, signal.SIGKILL, send)
    with points.watched():
        while (run := runner.lease(now=timezone.now())) is not None:
            if kill_at is not None and points.at is None and run.position >= kill_at:
                points.at = len(points.numbered) + point
            runner.turn(run)
            runner.release(run)


def _file_size():
    return Import.objects.get().size


def _state():
    run = Import.objects.get()
    numbers = [run.n_rows, run.n_created, run.n_updated, run.n_rejected]
    return [run.state, numbers, Profile.objects.count(), UploadPart.objects.count()]


def test_f05_an_import_with_five_killed_workers_and_a_killed_web_ends_exactly(make_site):
    site, order = make_site(0), random.Random(5)
    site.start("web")
    site.do(_start_import)
    size = site.do(_file_size)
    for kill_at in sorted(order.randrange(size * 9 // 10) for _ in range(N_KILLS)):
        child = site.databases.child(
            site.name,
            lambda send, at=kill_at: _run_import(send, at, order.randrange(1, 12)),
            max_seconds=MAX_SECONDS,
        )
        assert child.wait(MAX_SECONDS) == "killed"
        child.end()
        state, numbers, n_people, _parts = site.do(_state)
        assert (state, numbers[0], n_people) == ("running", sum(numbers[1:]), numbers[1])
        if "web" in site.processes:
            os.killpg(site.processes.pop("web").pid, signal.SIGKILL)
        time.sleep(0.1)
    last = site.databases.child(
        site.name, lambda send: _run_import(send, None, 0), max_seconds=MAX_SECONDS
    )
    assert (last.wait(MAX_SECONDS), last.reports("error")) == ("ended", [])
    last.end()
    assert site.do(_state) == [
        "done",
        [N_ROWS, N_ROWS * 9 // 10, N_ROWS // 10 - N_ROWS // 1000, N_ROWS // 1000],
        N_ROWS * 9 // 10,
        0,
    ]
    site.start("web")
    pages = f"{site.url}/g/acme/people/imports/"
    assert (
        "100,000"
        in requests.get(pages, cookies={"sessionid": site.facts["session"]}, timeout=120).text
    )


def _cut_off(site, *, abruptly):
    """Send half of an upload, then close the connection; return the status of the answer.

    ``abruptly``: reset the connection instead, which leaves no answer (None).
    """
    page = requests.get(
        f"{site.url}/g/acme/people/imports/new/",
        cookies={"sessionid": site.facts["session"]},
        timeout=120,
    )
    token, address = page.cookies["csrftoken"], urlsplit(site.url)
    body = (
        f'--b\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n\r\n'
        "external_id\n"
        f"{'1234567' * 300_000}\r\n--b--\r\n"
    )
    head = (
        f"POST /g/acme/people/imports/new/ HTTP/1.1\r\nHost: {address.netloc}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Cookie: sessionid={site.facts['session']}; csrftoken={token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=120) as wire:
        wire.sendall((head + body)[: len(head) + len(body) // 2].encode())
        if abruptly:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return None
        wire.shutdown(socket.SHUT_WR)
        return wire.recv(1000).split(b" ")[1]


def _count_uploads(site):
    """Return how many requests of an upload the web has logged."""
    return site.whole_log("web").count('"POST /g/<slug:group>/people/imports/new/')


def test_f06_an_upload_that_is_cut_off_leaves_nothing(make_site):
    site = make_site(0)
    site.start("web")
    files_before = sorted(site.var.iterdir())
    for nth, (abruptly, status) in enumerate([(False, b"422"), (True, None)], 1):
        assert _cut_off(site, abruptly=abruptly) == status
        site.wait(lambda nth=nth: _count_uploads(site) == nth, "the upload did not end")
        assert site.do(lambda: [Import.objects.count(), UploadPart.objects.count()]) == [0, 0]
        assert sorted(site.var.iterdir()) == files_before
    assert "Traceback" not in site.whole_log("web")
