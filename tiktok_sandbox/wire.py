"""What travels: requests, answers, TikTok's envelope, and the ways an answer can go wrong on the wire."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


class Refuse(Exception):
    """An application error: TikTok answers HTTP 200 with this code and message."""

    def __init__(self, code: int, message: str, data: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{code} {message}")
        self.code = code
        self.message = message
        self.data = data or {}


@dataclass(frozen=True)
class Request:
    """One HTTP request; names of headers are lower-case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Manner:
    """How the answer is put on the wire. Seconds; `drip` is the pause between single bytes."""

    delay: float = 0
    drip: float = 0
    is_cut: bool = False
    is_dropped: bool = False


@dataclass(frozen=True)
class Answer:
    body: bytes = b""
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] | None = None
    manner: Manner = Manner()


def request_id(now: datetime | None = None) -> str:
    """Timestamp and 20 hex digits, the form of TikTok's samples."""
    now = now or datetime.now(UTC)
    return f"{now:%Y%m%d%H%M%S}{secrets.token_hex(10).upper()}"


def envelope(code: object, message: str, data: Mapping[str, object]) -> Answer:
    """The answer to every API call; its code outranks the HTTP status, which is always 200."""
    log_id = request_id()
    content = {"code": code, "message": message, "request_id": log_id, "data": data}
    return Answer(orjson.dumps(content), headers={"X-TT-LOGID": log_id})


def text(words: str, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(words.encode(), status, TEXT, named)


def json(content: object, status: int = 200) -> Answer:
    return Answer(orjson.dumps(content, option=orjson.OPT_INDENT_2), status)


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(status=status, content_type=TEXT, headers={"Location": location})
