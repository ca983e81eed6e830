"""Logs: one JSON object per line, a request id in every line, and nothing about people: addresses as routes only."""

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse

request_id: ContextVar[str] = ContextVar("request_id", default="")
GIVEN = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)
EXTRAS = ("route", "method", "status", "batch", "code", "tiktok_request_id", "duration_ms")
# PostgreSQL repeats there the values that it refused, and the place in the statement or the copied line
DETAIL = re.compile(r"^(DETAIL|CONTEXT|LINE \d+):.*\n?", re.MULTILINE)
WATCHED = ("/healthz", "/readyz", "/metrics")  # asked every few seconds
AGAIN_SECONDS = 60.0
UNKNOWN = "an unknown address"

logger = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """A record as one line of JSON. Of what is attached to it only ``EXTRAS`` are written: a new one is a decision."""

    def format(self, record: logging.LogRecord) -> str:
        """Keys in the order in which one reads them."""
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            "request_id": request_id.get(),
        }
        line |= {name: getattr(record, name) for name in EXTRAS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = DETAIL.sub("", self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class RoutesOnly(logging.Filter):
    """Django logs the path of a refused request; a path may carry the key of an invitation. Its route does not."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the path among the arguments."""
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest) and isinstance(record.args, tuple):
            paths = (
                request.path,
                request.path.encode("unicode_escape").decode("ascii"),
            )  # Django escapes it
            record.args = tuple(
                route_of(request) if part in paths else part for part in record.args
            )
        return True


class NoHost(logging.Filter):
    """Django logs a host that is not allowed as an error, with a trace of forty lines and the words of the caller."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Make it one line that says what to do."""
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = (
            "A request named a host that is not in ALLOWED_HOSTS; it was answered with 400.",
            (),
        )
        record.exc_info = record.exc_text = None
        return True


class NotAgain(logging.Filter):
    """For a library that says the same twice a second while Redis is away: once a minute is enough."""

    def __init__(self) -> None:
        super().__init__()
        self.said_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this was not said within the last minute. What tells of work done is never dropped."""
        if record.levelno < logging.WARNING:
            return True
        words, now = record.getMessage(), record.created
        self.said_at = {said: at for said, at in self.said_at.items() if now - at < AGAIN_SECONDS}
        is_new = words not in self.said_at
        self.said_at.setdefault(words, now)
        return is_new


def route_of(request: HttpRequest) -> str:
    """The pattern that an address matched, such as /invitation/<str:token>/."""
    return f"/{request.resolver_match.route}" if request.resolver_match else UNKNOWN


class RequestIds:
    """Middleware: takes the caller's id if it looks like one, else makes one; answers with it; logs the request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The id stays set while the answer is made: error pages and logs show it."""
        given = request.headers.get("X-Request-ID", "")
        request_id.set(given if GIVEN.fullmatch(given) else uuid.uuid4().hex)
        started = time.monotonic()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id.get()
        if request.resolver_match:
            _log(request, response.status_code, round((time.monotonic() - started) * 1000))
        return response


def _log(request: HttpRequest, status: int, duration_ms: int) -> None:
    facts = {
        "route": route_of(request),
        "method": request.method,
        "status": status,
        "duration_ms": duration_ms,
    }
    level = logging.DEBUG if facts["route"] in WATCHED else logging.INFO
    logger.log(level, "%s %s %s", request.method, facts["route"], status, extra=facts)
