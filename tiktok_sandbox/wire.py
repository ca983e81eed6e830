"""Requests, answers, TikTok's envelope, and how an answer is sent."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


class TikTokError(Exception):
    """An error that TikTok answers with HTTP 200, this code and this message."""

    def __init__(self, code: int, message: str, data: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.data = data or {}


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Transmission:
    """How an answer is sent."""

    delay: float = 0  # seconds before the first byte
    drip: float = 0  # seconds before each byte of the body
    is_cut: bool = False  # the connection ends in the middle of the body
    is_dropped: bool = False  # the connection ends without an answer


@dataclass(frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] | None = None  # sent instead of the body
    transmission: Transmission = Transmission()


def request_id(now: datetime | None = None) -> str:
    """Return a timestamp and 20 hex digits, like TikTok's samples."""
    now = now or datetime.now(UTC)
    return f"{now:%Y%m%d%H%M%S}{secrets.token_hex(10).upper()}"


def envelope(code: int | None, message: str, data: Mapping[str, object]) -> Answer:
    """Return the answer to an API call: HTTP 200, the outcome is in ``code``.

    ``code`` is None only for the fault code_null.
    """
    log_id = request_id()
    content = {"code": code, "message": message, "request_id": log_id, "data": data}
    return Answer(orjson.dumps(content), headers={"X-TT-LOGID": log_id})


def text(content: str, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(content.encode(), status, TEXT, named)


def json(content: object, status: int = 200) -> Answer:
    return Answer(orjson.dumps(content, option=orjson.OPT_INDENT_2), status)


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(status=status, content_type=TEXT, headers={"Location": location})
