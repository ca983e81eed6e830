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
from tests.support.import_pages import Imports
from tests.system.crash.points import Points
from tests.system.faults.live.conftest import prepared, site

__all__ = ["prepared", "site"]
pytestmark = [pytest.mark.slow, pytest.mark.each_database]
N, KILLS = 100_000, 5


def _rows():
    """Yield CSV rows: every tenth repeats a profile, every thousandth has no external id."""
    for n in range(N):
        yield f"{'' if n % 1000 == 999 else n - 1 if n % 10 == 9 else n},p{n}@example.org"


def _start():
    """Upload and start an import through the pages."""
    browser = Client()
    browser.force_login(User.objects.get())
    Imports(browser).started("\n".join(["external_id,email", *_rows()]))


def _turns(send, kill_at, point):
    """Run turns of one chunk; die at the ``point``-th kill point after ``kill_at`` bytes."""
    runner.LEASE, runner.TURN_SECONDS = timedelta(seconds=0.05), 0.0
    points = Points(None, signal.SIGKILL, send)
    points.install()
    while (run := runner.lease(now=timezone.now())) is not None:
        if kill_at is not None and points.at is None and run.position >= kill_at:
            points.at = len(points.numbered) + point
        runner.turn(run)
        runner.release(run)


def _size():
    return Import.objects.get().size


def _state():
    run = Import.objects.get()
    numbers = [run.n_rows, run.n_created, run.n_updated, run.n_rejected]
    return [run.state, numbers, Profile.objects.count(), UploadPart.objects.count()]


def test_f05_an_import_with_five_killed_workers_and_a_killed_web_ends_exactly(site):
    one, order = site(0), random.Random(5)
    one.start("web")
    one.do(_start)
    size = one.do(_size)
    for kill_at in sorted(order.randrange(size * 9 // 10) for _ in range(KILLS)):
        child = one.databases.child(
            one.name, lambda send, at=kill_at: _turns(send, at, order.randrange(1, 12))
        )
        assert child.wait() == "killed"
        child.end()
        state, numbers, n_people, _parts = one.do(_state)
        assert (state, numbers[0], n_people) == ("running", sum(numbers[1:]), numbers[1])
        if "web" in one.processes:
            os.killpg(one.processes.pop("web").pid, signal.SIGKILL)
        time.sleep(0.1)
    for _ in range(KILLS):  # a busy machine may need more than the 40 seconds that a child may live
        last = one.databases.child(one.name, lambda send: _turns(send, None, 0))
        ended = last.wait()
        last.end()
        assert last.reports("error") == []
        if ended == "ended":
            break
    assert one.do(_state) == [
        "done",
        [N, N * 9 // 10, N // 10 - N // 1000, N // 1000],
        N * 9 // 10,
        0,
    ]
    one.start("web")
    pages = f"{one.url}/g/acme/people/imports/"
    assert (
        "100,000"
        in requests.get(pages, cookies={"sessionid": one.facts["session"]}, timeout=120).text
    )


def _cut_off(one, *, abruptly):
    """Send half of an upload and close the connection; return the status, None after a reset."""
    page = requests.get(
        f"{one.url}/g/acme/people/imports/new/",
        cookies={"sessionid": one.facts["session"]},
        timeout=120,
    )
    token, at = page.cookies["csrftoken"], urlsplit(one.url)
    body = (
        f'--b\r\nContent-Disposition: form-data; name="csrfmiddlewaretoken"\r\n\r\n{token}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n\r\n'
        "external_id\n"
        f"{'1234567' * 300_000}\r\n--b--\r\n"
    )
    head = (
        f"POST /g/acme/people/imports/new/ HTTP/1.1\r\nHost: {at.netloc}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Cookie: sessionid={one.facts['session']}; csrftoken={token}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    )
    with socket.create_connection((at.hostname, at.port), timeout=120) as wire:
        wire.sendall((head + body)[: len(head) + len(body) // 2].encode())
        if abruptly:  # a reset instead of an end
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return None
        wire.shutdown(socket.SHUT_WR)
        return wire.recv(1000).split(b" ")[1]


def _n_over(one):
    """Return how many requests of an upload the web has logged."""
    return one.whole_log("web").count('"POST /g/<slug:group>/people/imports/new/')


def test_f06_an_upload_that_is_cut_off_leaves_nothing(site):
    one = site(0)
    one.start("web")
    before = sorted(one.var.iterdir())
    for nth, (abruptly, status) in enumerate([(False, b"422"), (True, None)], 1):
        assert _cut_off(one, abruptly=abruptly) == status
        one.wait(lambda nth=nth: _n_over(one) == nth, "the upload did not end")
        assert one.do(lambda: [Import.objects.count(), UploadPart.objects.count()]) == [0, 0]
        assert sorted(one.var.iterdir()) == before
    assert "Traceback" not in one.whole_log("web")
