"""Logging: one JSON object per line, a request id in every line, routes instead of paths, no
personal data.
"""

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
_CLIENT_ID = re.compile(r"[A-Za-z0-9-]{8,64}", re.ASCII)
EXTRAS = ("route", "method", "status", "batch", "code", "partner_request_id", "duration_ms")
# In these lines PostgreSQL repeats the values it refused, and the place in the statement or the
# copied row.
PERSONAL_DETAIL = re.compile(r"^(DETAIL|CONTEXT|LINE \d+):.*\n?", re.MULTILINE)
POLLED_ROUTES = ("/healthz", "/readyz", "/metrics")  # requested every few seconds
REPEAT_SECONDS = 60.0  # within which the same warning is dropped
UNKNOWN_ROUTE = "an unknown address"

logger = logging.getLogger(__name__)


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON with only those extra fields that ``EXTRAS`` allows."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            "request_id": request_id.get(),
        }
        line |= {name: getattr(record, name) for name in EXTRAS if hasattr(record, name)}
        if record.exc_info:
            line["exception"] = PERSONAL_DETAIL.sub("", self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class PathsToRoutes(logging.Filter):
    """Replaces the path in Django's records about a request by its route: a path may hold an
    invitation token.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        if isinstance(request, HttpRequest) and isinstance(record.args, tuple):
            paths = (
                request.path,
                request.path.encode("unicode_escape").decode("ascii"),  # Django logs it escaped
            )
            record.args = tuple(
                route_of(request) if part in paths else part for part in record.args
            )
        return True


class ShortDisallowedHost(logging.Filter):
    """Turns Django's error about a host that is not allowed into a one-line warning without the
    host.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        record.msg, record.args = (
            "A request named a host that is not in ALLOWED_HOSTS; it was answered with 400.",
            (),
        )
        record.exc_info = record.exc_text = None
        return True


class OncePerMinute(logging.Filter):
    """Drops warnings repeated within a minute: django-q2 writes two a second without Redis."""

    def __init__(self) -> None:
        super().__init__()
        self.logged_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING:  # lines about finished work: never dropped
            return True
        text, now = record.getMessage(), record.created
        self.logged_at = {
            logged: at for logged, at in self.logged_at.items() if now - at < REPEAT_SECONDS
        }
        is_new = text not in self.logged_at
        self.logged_at.setdefault(text, now)
        return is_new


def route_of(request: HttpRequest) -> str:
    """Return the URL pattern that a path matched, such as /invitation/<str:token>/."""
    return f"/{request.resolver_match.route}" if request.resolver_match else UNKNOWN_ROUTE


class RequestIds:
    """Middleware: give every request an id (X-Request-ID, the client's own if it is well-formed)
    and log it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        client_id = request.headers.get("X-Request-ID", "")
        request_id.set(client_id if _CLIENT_ID.fullmatch(client_id) else uuid.uuid4().hex)
        started = time.monotonic()
        response = self.get_response(request)
        response["X-Request-ID"] = request_id.get()
        if request.resolver_match:
            _log(request, response.status_code, round((time.monotonic() - started) * 1000))
        return response


def _log(request: HttpRequest, status: int, duration_ms: int) -> None:
    fields = {
        "route": route_of(request),
        "method": request.method,
        "status": status,
        "duration_ms": duration_ms,
    }
    level = logging.DEBUG if fields["route"] in POLLED_ROUTES else logging.INFO
    logger.log(level, "%s %s %s", request.method, fields["route"], status, extra=fields)
