"""No token, secret, code, hash or address appears in a log line, exception, traceback or repr."""

import hashlib
import logging
import socket
import traceback
from collections.abc import Callable

import pytest

from partners.base import KINDS, Action, Cells, Lookalike, PartnerUser, Token
from partners.errors import PartnerError, scrub
from partners.tiktok.client import Client
from partners.tiktok.wire import build_mapping_body
from tests.support.odd_servers import http, read_request, serve

TOKEN, CODE = hashlib.sha1(b"token").hexdigest(), hashlib.sha1(b"code").hexdigest()
SECRET = "canary-secret"  # too short to be recognised by its form
HASH = hashlib.sha256(b"canary@example.org")
PEOPLE = ["canary@example.org", "+4915112345678", "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25"]
CANARIES = [TOKEN, SECRET, CODE, HASH.hexdigest(), *PEOPLE]

CALLS: dict[str, Callable[[Client], object]] = {
    "exchange": lambda client: client.exchange(CODE),
    "revoke": lambda client: client.revoke(TOKEN),
    "advertisers": lambda client: client.advertisers(TOKEN),
    "advertiser_info": lambda client: client.advertiser_info(TOKEN, ["1"]),
    "user_info": lambda client: client.user_info(TOKEN),
    "create_lookalike": lambda client: client.create_lookalike(
        TOKEN, "1", "2", Lookalike("Like", "DE", "NARROW")
    ),
    "create_audience": lambda client: client.create_audience(TOKEN, "1", "Buyers"),
    "push": lambda client: client.push(
        TOKEN, build_mapping_body("1", Action.ADD, KINDS[:1], [Cells(("9",), [(HASH.digest(),)])])
    ),
    "list_audiences": lambda client: client.list_audiences(TOKEN, "1"),
}
ECHO = ", ".join(CANARIES)


def envelope(code: int) -> bytes:
    data = f'{{"list": [{{"x": "{ECHO}"}}]}}'
    return http(f'{{"code": {code}, "message": "bad: {ECHO}", "data": {data}}}'.encode())


ANSWERS = {
    "success of odd shape": envelope(0),
    "throttled": envelope(40100),
    "refused": envelope(40002),
    "disconnected": envelope(40105),
    "partial": envelope(20001),
    "new code": envelope(49999),
    "not json": http(ECHO.encode()),
    "server error": http(ECHO.encode(), status=f"502 {SECRET}"),
    "redirect": http(b"", status="302 Found", headers=f"Location: /?secret={SECRET}\r\n"),
    "broken header": http(b"", headers=f"{SECRET}\r\n"),
    "truncated": http(b"x" * 50)[:-10],
    "not http": ECHO.encode() + b"\r\n\r\n",
    "nothing": b"",
    "silence": None,
    "too large": http(b" " * 2_000_000),
}


def shown_texts(error: BaseException, log: pytest.LogCaptureFixture) -> str:
    """Return everything that a log, a console or an error report may show."""
    texts = [
        log.text,
        str(error),
        repr(error),
        "".join(traceback.format_exception(error)),
        repr(vars(error)),
    ]
    texts += [str(record.__dict__) for record in log.records]
    assert error.__cause__ is None
    assert error.__context__ is None
    return "\n".join(texts)


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", "urllib3", "urllib3.connectionpool", "requests", "partners"):
        caplog.set_level(logging.DEBUG, logger=name)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_no_secret_is_logged_or_shown(
    call: str, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = ANSWERS[answer]

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        if content is None:
            read_request(connection)
        else:
            connection.sendall(content)

    with serve(behave) as (address, _):
        client = Client("1", SECRET, address, deadline=0.5 if content is None else 30)
        try:
            CALLS[call](client)
        except PartnerError as error:
            output = shown_texts(error, caplog) + repr(client) + error.sentence()
        else:
            output = caplog.text
    assert "Starting new HTTP connection" in output
    assert [canary for canary in CANARIES if canary in output] == []


@pytest.mark.parametrize("token", [TOKEN + "\n", " " + TOKEN, TOKEN + "\N{SNOWMAN}"])
def test_an_invalid_token_is_not_shown(token: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PartnerError) as caught:
        Client("1", SECRET, "http://127.0.0.1:9").user_info(token)
    assert TOKEN not in shown_texts(caught.value, caplog)


def test_a_secret_is_not_shown_with_an_invalid_address(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(PartnerError) as caught:
        Client("1", SECRET, "http://[bad").advertisers(TOKEN)
    assert SECRET not in shown_texts(caught.value, caplog)


def test_the_repr_of_values_hides_their_content() -> None:
    texts = repr(
        [
            Token(TOKEN),
            PartnerUser("1", "A", "canary@example.org"),
            Cells(("9",), [(HASH.digest(),)]),
        ]
    )
    assert [canary for canary in [*CANARIES, repr(HASH.digest())] if canary in texts] == []


def test_a_short_token_repeated_by_tiktok_is_not_shown() -> None:
    answer = http(b'{"code": 40105, "message": "Access token short-token is incorrect."}')
    with (
        serve(lambda connection: connection.sendall(answer)) as (address, _),
        pytest.raises(PartnerError) as caught,
    ):
        Client("1", SECRET, address).user_info("short-token")
    assert "short-token" not in str(caught.value)
    assert "is incorrect" in str(caught.value)


def test_scrub_keeps_ids_and_field_names() -> None:
    text = (
        "No permission to operate advertiser 7123456789012345678.\n"
        "Missing required field(s): account_id."
    )
    assert scrub(text) == text.replace("\n", " ")
