"""Reads the JSON body of a call, within limits."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, UnreadablePostError

from audiencesync.core.web import sent_numbers
from audiencesync.rest import strict_json
from audiencesync.rest.errors import ApiError, unauthorized

MAX_BYTES_WITHOUT_KEY = 65_536  # a longer body is not read unless a header holds a key


def read(request: HttpRequest, *, longest: int | None = None) -> strict_json.Json:
    """Return the JSON of the body, or None for a GET. Raises ApiError.

    ``longest``: the limit in bytes for a caller without a key in a header.
    """
    if request.method not in ("POST", "PUT", "PATCH", "DELETE"):
        return None
    if (
        request.content_type != "application/json"
        or request.headers.get("Content-Encoding", "identity") != "identity"
    ):
        raise ApiError(415, "Send JSON, not compressed, with Content-Type: application/json.")
    length = _length(request, longest=longest)
    try:
        if len(request.body) < length:
            raise ApiError(400, "The body ended too early.")
        return strict_json.loads(request.body)
    except strict_json.NotJson as error:
        raise ApiError(400, str(error)) from None
    except UnreadablePostError:
        raise ApiError(400, "The body ended too early.") from None


def _length(request: HttpRequest, *, longest: int | None) -> int:
    """Return the length of the body; read a chunked body first. Raises ApiError."""
    max_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if _is_chunked(request):
        # Django reads as much as Content-Length says, which is nothing here: set the attribute in
        # which it caches the body.
        request._body = _chunked_body(request, longest or max_bytes)
    length = request.headers.get("Content-Length") or (
        "" if not _is_chunked(request) else str(len(request.body))
    )
    if not (length.isascii() and length.isdigit()):
        raise ApiError(411, "Content-Length is missing.")
    n_bytes = sent_numbers.whole(length, most=max_bytes)
    if n_bytes is None:
        raise ApiError(413, f"The body is longer than {max_bytes} bytes.")
    if longest is not None and n_bytes > longest:
        raise unauthorized("Send a valid key: Authorization: Bearer ask_…")
    return n_bytes


def _is_chunked(request: HttpRequest) -> bool:
    """Return whether the body is chunked and the server knows its end (gunicorn says so)."""
    is_chunked = request.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
    return (
        is_chunked
        and "Content-Length" not in request.headers
        and bool(request.META.get("wsgi.input_terminated"))
    )


def _chunked_body(request: HttpRequest, longest: int) -> bytes:
    """Return the body of a call without Content-Length. Raises ApiError."""
    if hasattr(request, "_body"):
        return bytes(request._body)
    try:
        body = bytes(request.META["wsgi.input"].read(longest + 1))
    except (OSError, ValueError):  # broken chunks
        raise ApiError(400, "The body ended too early.") from None
    if len(body) > longest:
        raise ApiError(413, f"The body is longer than {longest} bytes.")
    return body
