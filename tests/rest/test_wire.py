"""Two web processes behind a socket: revoked keys fail in both, odd requests are refused."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support import migrated
from tests.support.stack import Stack

pytestmark = pytest.mark.slow
BODY = json.dumps({"attributes": [{"external_id": "wire", "n": {"inc": 1}}]})
LENGTH = len(BODY)
ISSUE = """
from audiencesync.groups import api_keys
from audiencesync.groups.models import AppGroup
group, _ = AppGroup.objects.get_or_create(name="Acme", slug="acme")
print(api_keys.issue(group, name="x", scopes=["users.track"], by=None)[1])
"""
REVOKE = """
from django.utils import timezone
from audiencesync.groups.models import ApiKey
ApiKey.objects.filter(prefix="{prefix}").update(revoked_at=timezone.now())
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    static = {"STATICFILES_BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    stack = Stack(migrated.into(tmp_path_factory.mktemp("wire")), extra_env=static)
    stack.manage("createcachetable")
    bind = ["--bind", f"127.0.0.1:{stack.port}", "--workers", "2", "--threads", "4"]
    try:
        stack.spawn("web", "-m", "gunicorn", *bind)
        stack.await_answer("web", stack.url)
        yield stack
    finally:
        stack.stop("web")


@pytest.fixture(scope="module")
def key(web):
    return web.manage("shell", "-v", "0", "-c", ISSUE).split()[-1]


def calls(web, key, n=16, **headers):
    """Return the statuses of n calls that both processes share."""
    all_headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **headers}

    def call(_n):
        return requests.post(
            f"{web.url}/users/track", BODY, headers=all_headers, timeout=60
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        return set(pool.map(call, range(n)))


def test_a_revoked_key_is_refused_in_every_process(web):
    key = web.manage("shell", "-v", "0", "-c", ISSUE).split()[-1]
    assert calls(web, key) == {201}
    web.manage("shell", "-v", "0", "-c", REVOKE.replace("{prefix}", key.split("_")[1]))
    assert calls(web, key) == {401}


def test_one_of_many_equal_calls_is_executed(web, key):
    assert calls(web, key, **{"Idempotency-Key": "wire"}) == {201}
    read = (
        "from audiencesync.people.models import Profile; "
        "print(Profile.objects.get().attributes['n'])"
    )
    before = int(web.manage("shell", "-v", "0", "-c", read).split()[-1])
    assert calls(web, key, **{"Idempotency-Key": "wire"}) == {201}
    assert int(web.manage("shell", "-v", "0", "-c", read).split()[-1]) == before


def send(web, head, body=BODY, *, end=True):
    """Send these bytes and return the beginning of the answer."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=30) as connection:
        connection.sendall(
            f"POST /users/track HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n{body}".encode()
        )
        if end:
            connection.shutdown(socket.SHUT_WR)
        return connection.recv(65536).decode(errors="replace")


def head(key, *lines, length=LENGTH):
    return "\r\n".join(
        [
            f"Authorization: Bearer {key}",
            "Content-Type: application/json",
            f"Content-Length: {length}",
            *lines,
            "",
        ]
    )


def test_a_plain_request_is_accepted(web, key):
    assert send(web, head(key, "Connection: close")).startswith("HTTP/1.1 201 ")


@pytest.mark.parametrize(
    ("lines", "statuses"),
    [
        (["Authorization: Bearer other"], {"400", "401"}),
        (["Content-Length: 5"], {"400"}),
        (["Transfer-Encoding: chunked"], {"400", "411"}),
        ([f"X-Long: {'x' * 70_000}"], {"400", "431"}),
        (["X-HTTP-Method-Override: GET"], {"201"}),
        (["X-Forwarded-For: 1.2.3.4, 5.6.7.8", "X-Forwarded-Host: evil.example"], {"201"}),
        (["Bad Header"], {"400"}),
    ],
)
def test_odd_headers_are_refused_or_ignored(web, key, lines, statuses):
    answer = send(web, head(key, "Connection: close", *lines))
    assert answer.split(" ")[1] in statuses, answer[:300]


def test_another_host_is_refused(web, key):
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Host": "evil.example",
    }
    answer = requests.post(f"{web.url}/users/track", BODY, headers=headers, timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")


def test_a_body_that_ends_early_is_refused(web, key):
    answer = send(web, head(key, "Connection: close", length=5000))
    assert answer == "" or answer.startswith("HTTP/1.1 400 ")
    assert calls(web, key, n=2) == {201}


def test_the_log_has_no_crash_and_no_key(web, key):
    # Runs last: this is the log of all requests above.
    log = (web.var / "web.log").read_text()
    assert "Internal Server Error" not in log
    assert key not in log
