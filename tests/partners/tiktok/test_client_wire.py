"""On real sockets: no redirect is followed, sizes are capped, truncated answers are unknown."""

import gzip
import socket
import time
from pathlib import Path

import pytest

from partners.errors import Retry, RetryCause
from partners.tiktok.client import Client
from tests.support.odd_servers import OK_BODY, http, read_request, serve


def push_to(content: bytes) -> str:
    """Return the request id that the client reads from these bytes."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(content)

    with serve(behave) as (address, _):
        return Client("1", "s", address, deadline=30).push("token", b"{}").request_id


def assert_unknown(content: bytes) -> Retry:
    with pytest.raises(Retry) as caught:
        push_to(content)
    assert caught.value.cause == RetryCause.UNKNOWN
    return caught.value


def test_it_reads_a_plain_answer() -> None:
    assert push_to(http(OK_BODY)) == "R1"


def test_it_reads_an_answer_up_to_1_mb() -> None:
    assert push_to(http(OK_BODY.ljust(1024 * 1024))) == "R1"


def test_an_answer_above_1_mb_is_too_large() -> None:
    assert "too large" in assert_unknown(http(OK_BODY.ljust(1024 * 1024 + 1))).message_for_log


def test_an_answer_that_unpacks_to_more_than_1_mb_is_too_large() -> None:
    bomb = gzip.compress(OK_BODY.ljust(50_000_000))
    assert (
        "too large"
        in assert_unknown(http(bomb, headers="Content-Encoding: gzip\r\n")).message_for_log
    )


def test_an_endless_redirect_ends_at_once() -> None:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nConnection: close\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with serve(behave) as (address, _):
        started = time.monotonic()
        with pytest.raises(Retry):
            Client("1", "s", address, deadline=60).push("token", b"{}")
        assert time.monotonic() - started < 30


def test_it_follows_no_redirect() -> None:
    with serve(lambda connection: connection.sendall(http(OK_BODY))) as (elsewhere, visits):
        assert_unknown(
            http(b"", status="307 Temporary Redirect", headers=f"Location: {elsewhere}/\r\n")
        )
        assert visits == []


@pytest.mark.parametrize("length", [0, 20, len(http(OK_BODY)) - 1])
def test_a_truncated_answer_has_an_unknown_outcome(length: int) -> None:
    assert_unknown(http(OK_BODY)[:length])


def test_a_refused_connection_has_an_unknown_outcome() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Retry):
        Client("1", "s", f"http://127.0.0.1:{port}").push("token", b"{}")


def test_it_uses_no_proxy_no_netrc_and_no_cookie(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requests_seen: list[bytes] = []

    def behave(connection: socket.socket) -> None:
        while request := read_request(connection):
            requests_seen.append(request.lower())
            connection.sendall(http(OK_BODY, headers="Set-Cookie: track=1; Path=/\r\n"))

    (tmp_path / "netrc").write_text("machine 127.0.0.1 login us password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with serve(behave) as (address, _):
        client = Client("1", "s", address, deadline=30)
        client.push("token", b"{}")
        client.push("token", b"{}")
    assert len(requests_seen) == 2
    assert b"authorization" not in requests_seen[0]
    assert b"cookie" not in requests_seen[1]
    assert b"accept-encoding: identity" in requests_seen[1]
    assert b"access-token: token" in requests_seen[1]
