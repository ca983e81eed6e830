"""The door of the REST API: whose key, may it, how often; the body; errors as JSON, whatever they come from.

An operation is ``@router.post("/users/track", auth=rest.require("users.track"))``, takes an ApiRequest and answers
with ``rest.success(...)`` or raises ApiError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.utils.translation import get_language
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer
from pydantic import BeforeValidator, WithJsonSchema

from audiencesync.core import logs
from audiencesync.groups import api_keys, rate_limits
from audiencesync.groups.models import ApiKey, AppGroup
from audiencesync.rest import openapi, strict_json

_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE | re.ASCII)
KEYLESS_BYTES = 65_536  # without a key in a header, a longer body is not even read
Problem = Mapping[str, object]
BrazeId = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{24}$"})]
ApiId = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Moment = Annotated[
    str, WithJsonSchema({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]})
]
# PHP writes an empty object as an empty list
Object = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value == [] else value)]
TextId = Annotated[
    str,
    BeforeValidator(strict_json.number_as_text),
    WithJsonSchema({"type": ["string", "integer"], "maxLength": 987}),
]


class ApiRequest(HttpRequest):
    """A request that ``require`` let in."""

    api_key: ApiKey
    app_group: AppGroup
    json: strict_json.Json  # the body of a POST
    rate: rate_limits.Rate


class ApiError(Exception):
    """Ends an operation with an answer. ``errors``: one object per thing that is wrong; no values of people in it."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Sequence[Problem] = (),
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {message}")
        self.status, self.message, self.errors, self.headers = (
            status,
            message,
            errors,
            headers or {},
        )


MOST_ERRORS = 100


class Success(Schema):
    """What every answer begins with. Answers that go on are subclasses, for the documentation."""

    message: str
    errors: list[dict[str, Any]] | None = None


class Failure(Schema):
    """What every error looks like."""

    message: str
    errors: list[dict[str, Any]]
    request_id: str


ERRORS: dict[int, type[Schema]] = dict.fromkeys(
    (400, 401, 403, 404, 409, 411, 413, 415, 422, 429, 500, 503), Failure
)


def success(status: int = 200, *, errors: Sequence[Problem] = (), **facts: object) -> HttpResponse:
    """``{"message": "success", ...}``; ``errors`` only if there are any, since clients take the key as a failure."""
    body: dict[str, object] = {"message": "success", **facts}
    if errors:
        body["errors"] = list(errors)
    return JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False})


def check_any(n_done: int, errors: Sequence[Problem]) -> None:
    """No answer says success where nothing was done and something is wrong. Raises ApiError."""
    if errors and not n_done:
        raise ApiError(400, "No object could be processed.", errors)


def failure(
    status: int,
    message: str,
    errors: Sequence[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """An error as every error of the API looks. ``request_id`` finds the lines of the log."""
    body = {"message": message, "errors": list(errors), "request_id": logs.request_id.get()}
    return JsonResponse(
        body, status=status, headers=headers, json_dumps_params={"ensure_ascii": False}
    )


class ApiKeyAuth(HttpBearer):
    """Lets a call in whose key is open and has the scope, and reads its body.

    ``limit``: of settings.API_LIMITS; ``also``: the name of a further one that a body counts against, or "".
    """

    def __init__(self, scope: str, limit: str, also: Callable[[strict_json.Json], str]) -> None:
        super().__init__()
        self.scope, self.limit, self.also = scope, limit, also

    def __call__(self, request: HttpRequest) -> ApiKey:
        """The key. Sets what ApiRequest has."""
        if "api_key" in request.GET:
            raise _unauthorized(
                "A key never belongs into an address: addresses are logged. Revoke it and send the new one as a header."
            )
        header = request.headers.get("Authorization")
        body = _body(request, longest=KEYLESS_BYTES) if header is None else None
        text = _legacy(request, body) if header is None else header
        given = _BEARER.fullmatch(text)
        key = api_keys.find(given[1], now=timezone.now()) if given else None
        if key is None:
            raise _unauthorized("Send a valid key: Authorization: Bearer ask_…")
        let_in = cast(ApiRequest, request)
        let_in.api_key, let_in.app_group = key, key.app_group
        check_scope(let_in, self.scope)
        _count(let_in, self.limit)
        _check_parameters(request)
        let_in.json = _body(request) if header is not None else body
        if further := self.also(let_in.json):
            _count(let_in, further)
        return key

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        """Never called: the key may stand in the body, too."""
        raise NotImplementedError


def check_scope(request: ApiRequest, scope: str) -> None:
    """Refuse a key without the scope. Raises ApiError."""
    if scope not in request.api_key.scopes:
        raise ApiError(403, f"This key may not do this: it lacks {scope}.")


def _count(request: ApiRequest, limit: str) -> None:
    """Give the call the headers of a limit. Outside any transaction: others wait for the count. Raises ApiError."""
    request.rate = rate_limits.count(request.app_group, limit, now=timezone.now())
    if request.rate.is_over:
        raise ApiError(429, "Too many calls. Wait as Retry-After says.")


def require(
    scope: str,
    *,
    limit: str = "default",
    also: Callable[[strict_json.Json], str] = lambda _body: "",
) -> ApiKeyAuth:
    """What an operation asks of a key, and what limits it has (see ApiKeyAuth)."""
    if scope not in api_keys.SCOPES:
        raise ValueError(scope)
    return ApiKeyAuth(scope, limit, also)


def _legacy(request: HttpRequest, body: strict_json.Json) -> str:
    """The key in the body, as older clients of Braze send it; never one in the address."""
    text = body.get("api_key") if isinstance(body, dict) else None
    return f"Bearer {text}" if isinstance(text, str) else ""


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, message, headers={"WWW-Authenticate": "Bearer"})


def _check_parameters(request: HttpRequest) -> None:
    """No text in the address that a database cannot look for, and none without a value. Raises ApiError."""
    try:
        strict_json.check_texts(text for _name, values in request.GET.lists() for text in values)
    except strict_json.NotJson as error:
        raise ApiError(400, str(error)) from None
    if "" in request.GET.values():  # a parameter without a value means its default
        given = request.GET.copy()
        for name in [name for name, text in request.GET.items() if not text]:
            del given[name]
        request.GET = given  # type: ignore[assignment]  # as changeable as a copy is


def _body(request: HttpRequest, *, longest: int | None = None) -> strict_json.Json:
    """The JSON of a POST; None for a GET. Raises ApiError. ``longest``: of a caller whose key may stand in there."""
    if request.method not in ("POST", "PUT", "PATCH", "DELETE"):
        return None
    if (
        request.content_type != "application/json"
        or request.headers.get("Content-Encoding", "identity") != "identity"
    ):
        raise ApiError(415, "Send JSON, not compressed, with Content-Type: application/json.")
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if _is_chunked(request):
        request._body = _chunks(
            request, longest or most
        )  # Django itself reads as far as Content-Length
    length = request.headers.get("Content-Length") or (
        "" if not _is_chunked(request) else str(len(request.body))
    )
    if not (length.isascii() and length.isdigit()):
        raise ApiError(411, "Content-Length is missing.")
    if int(length) > most:
        raise ApiError(413, f"The body is longer than {most} bytes.")
    if longest is not None and int(length) > longest:
        raise _unauthorized("Send a valid key: Authorization: Bearer ask_…")
    try:
        if len(request.body) < int(length):
            raise ApiError(400, "The body ended too early.")
        return strict_json.loads(request.body)
    except strict_json.NotJson as error:
        raise ApiError(400, str(error)) from None
    except UnreadablePostError:
        raise ApiError(400, "The body ended too early.") from None


def _is_chunked(request: HttpRequest) -> bool:
    """Whether the body comes in chunks, whose end the server knows (gunicorn says so)."""
    is_chunked = request.headers.get("Transfer-Encoding", "").strip().lower() == "chunked"
    return (
        is_chunked
        and "Content-Length" not in request.headers
        and bool(request.META.get("wsgi.input_terminated"))
    )


def _chunks(request: HttpRequest, longest: int) -> bytes:
    """The body of a call without Content-Length. Raises ApiError."""
    if hasattr(request, "_body"):
        return bytes(request._body)
    try:
        body = bytes(request.META["wsgi.input"].read(longest + 1))
    except (OSError, ValueError):  # broken chunks
        raise ApiError(400, "The body ended too early.") from None
    if len(body) > longest:
        raise ApiError(413, f"The body is longer than {longest} bytes.")
    return body


class _Parsed(Parser):
    """Hands ninja the body that ``require`` has read."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Never parses twice, and never by ninja's own rules."""
        return request.json  # type: ignore[attr-defined]  # see ApiRequest


class _Api(openapi.Api):
    """Keeps its document: to make it costs as much as many calls, and anybody may ask for it."""

    def get_openapi_schema(self, **options: Any) -> Any:
        """Of each language one."""
        kept: dict[tuple[object, ...], Any] = self.__dict__.setdefault("kept_schemas", {})
        key = (settings.SITE_URL, get_language(), options.get("path_prefix"))
        if options.get("path_params"):
            return super().get_openapi_schema(**options)
        if key not in kept:
            kept[key] = super().get_openapi_schema(**options)
        return kept[key]


def new_api(**options: Any) -> NinjaAPI:
    """A NinjaAPI whose errors all look the same."""
    api = _Api(parser=_Parsed(), **options)
    api.add_exception_handler(ApiError, _api_error)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _http_error)
    return api


def _field(place: Sequence[object]) -> str:
    """Of ("body", "body", "events", 3) only what the caller wrote: events.3."""
    start = 2 if place[0] == "body" else 1
    return ".".join(str(part) for part in place[start:])


def _api_error(request: HttpRequest, error: Any) -> HttpResponse:
    return failure(error.status, error.message, error.errors, error.headers)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    return failure(error.status_code, str(error))


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    """What pydantic found, without the values it quotes. Fields are named as they were sent."""
    problems = [
        {"type": one["type"], "field": _field(one["loc"]), "message": one["msg"]}
        for one in error.errors[:MOST_ERRORS]
    ]
    return failure(400, "The call is not as the documentation says.", problems)
