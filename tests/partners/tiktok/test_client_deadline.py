"""A call ends at its deadline, whatever the server does."""

import socket
import ssl
import time
from collections.abc import Callable

import pytest

from partners.errors import Retry, RetryCause
from partners.tiktok.client import Client
from partners.transport import new_session
from tests.support.odd_servers import OK_BODY, http, read_request, serve

pytestmark = pytest.mark.thorough

DEADLINE = 0.6
LONGER = 5.0  # seconds; for a call that must be answered in time even by a busy machine


def drip(connection: socket.socket, content: bytes) -> None:
    for byte in content:
        connection.sendall(bytes([byte]))
        time.sleep(0.05)


def says_nothing(connection: socket.socket) -> None:
    read_request(connection)
    time.sleep(60)


def drips_headers(connection: socket.socket) -> None:
    read_request(connection)
    drip(connection, b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000)


def drips_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    drip(connection, b" " * 1000)


def drips_body_of_unknown_length(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + OK_BODY)
    drip(connection, b" " * 1000)


def drips_chunks(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(connection, b"1\r\n \r\n" * 1000)


def does_not_read(connection: socket.socket) -> None:
    time.sleep(60)


def reads_slowly(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(100):
        connection.recv(1000)
        time.sleep(0.05)


@pytest.mark.parametrize(
    "behave",
    [
        says_nothing,
        drips_headers,
        drips_body,
        drips_body_of_unknown_length,
        drips_chunks,
        does_not_read,
        reads_slowly,
    ],
    ids=lambda behave: behave.__name__,
)
def test_a_call_to_a_slow_server_ends_at_its_deadline(
    behave: Callable[[socket.socket], None],
) -> None:
    with serve(behave) as (address, _):
        client = Client("1", "s", address, deadline=DEADLINE)
        started = time.monotonic()
        with pytest.raises(Retry) as caught:
            client.push("token", b'{"batch_data": [' + b" " * 8_000_000 + b"]}")
        assert DEADLINE - 0.1 < time.monotonic() - started < DEADLINE + 10
    assert caught.value.cause == RetryCause.UNKNOWN
    assert "deadline" in caught.value.message_for_log


def test_a_slow_tls_handshake_ends_at_the_deadline() -> None:
    def drips_handshake(connection: socket.socket) -> None:
        connection.recv(65536)
        drip(connection, b"\x16\x03\x03\x40\x00" + b"\x02" * 1000)

    with serve(drips_handshake) as (address, _):
        client = Client("1", "s", address.replace("http:", "https:"), deadline=DEADLINE)
        started = time.monotonic()
        with pytest.raises(Retry):
            client.user_info("token")
        assert DEADLINE - 0.1 < time.monotonic() - started < DEADLINE + 10


def test_a_call_on_a_reused_tls_connection_ends_at_its_deadline(
    tls: tuple[ssl.SSLContext, str],
) -> None:
    def answers_once(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(http(OK_BODY))
        drips_headers(connection)

    context, certificate = tls
    session = new_session()
    session.verify = certificate
    with serve(answers_once, tls=context) as (address, connections):
        patient = Client("1", "s", address, session=session, deadline=60)
        assert patient.push("token", b"{}").request_id == "R1"
        client = Client("1", "s", address, session=session, deadline=DEADLINE)
        started = time.monotonic()
        with pytest.raises(Retry):
            client.push("token", b"{}")
        assert DEADLINE - 0.1 < time.monotonic() - started < DEADLINE + 10
        assert len(connections) == 1


def test_the_deadline_of_a_finished_call_keeps_the_connection_open() -> None:
    def answers_always(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(http(OK_BODY))

    with serve(answers_always) as (address, connections):
        client = Client("1", "s", address, deadline=LONGER)
        for pause in (LONGER + 0.1, 0.0):
            assert client.push("token", b"{}").request_id == "R1"
            time.sleep(pause)
        assert len(connections) == 1
