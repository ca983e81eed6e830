"""The door of the REST API: whose key, may it, how often; the body; errors as JSON, whatever they come from.

An operation is ``@router.post("/users/track", auth=rest.require("users.track"))``, takes an ApiRequest and answers
with ``rest.success(...)`` or raises ApiError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer

from audiencesync import logs
from audiencesync.groups import keys, limits, strict
from audiencesync.groups.models import ApiKey, AppGroup

PATHS = re.compile(r"/(?:users|canvas|segments|audiences|deliveries)(?:/|$)")
_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE | re.ASCII)
Problem = Mapping[str, object]


class ApiRequest(HttpRequest):
    """A request that ``require`` let in."""

    api_key: ApiKey
    app_group: AppGroup
    json: strict.Json  # the body of a POST
    rate: limits.Rate


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
        self.status, self.message, self.errors, self.headers = status, message, errors, headers or {}


class Success(Schema):
    """What every answer begins with. Answers that go on are subclasses, for the documentation."""

    message: str
    errors: list[dict[str, Any]] | None = None


class Failure(Schema):
    """What every error looks like."""

    message: str
    errors: list[dict[str, Any]]
    request_id: str


ERRORS: dict[int, type[Schema]] = dict.fromkeys((400, 401, 403, 404, 409, 411, 413, 415, 422, 429, 500, 503), Failure)


def success(status: int = 200, *, errors: Sequence[Problem] = (), **facts: object) -> HttpResponse:
    """``{"message": "success", ...}``; ``errors`` only if there are any, since clients take the key as a failure."""
    body: dict[str, object] = {"message": "success", **facts}
    if errors:
        body["errors"] = list(errors)
    return JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False})


def failure(
    status: int, message: str, errors: Sequence[Problem] = (), headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """An error as every error of the API looks. ``request_id`` finds the lines of the log."""
    body = {"message": message, "errors": list(errors), "request_id": logs.request_id.get()}
    return JsonResponse(body, status=status, headers=headers, json_dumps_params={"ensure_ascii": False})


class ApiKeyAuth(HttpBearer):
    """Lets a call in whose key is open and has the scope, and reads its body.

    ``limit``: of settings.API_LIMITS; ``also``: the name of a further one that a body counts against, or "".
    """

    def __init__(self, scope: str, limit: str, also: Callable[[strict.Json], str]) -> None:
        super().__init__()
        self.scope, self.limit, self.also = scope, limit, also

    def __call__(self, request: HttpRequest) -> ApiKey:
        """The key. Sets what ApiRequest has."""
        if "api_key" in request.GET:
            raise _unauthorized(
                _(
                    "A key never belongs into an address: addresses are logged. Revoke it and send the new one as a header."
                )
            )
        header = request.headers.get("Authorization")
        body = _body(request) if header is None else None
        text = _legacy(request, body) if header is None else header
        given = _BEARER.fullmatch(text)
        key = keys.find(given[1], now=timezone.now()) if given else None
        if key is None:
            raise _unauthorized(_("Send a valid key: Authorization: Bearer ask_…"))
        if self.scope not in key.scopes:
            raise ApiError(403, _("This key may not do this: it lacks %(scope)s.") % {"scope": self.scope})
        let_in = cast(ApiRequest, request)
        let_in.api_key, let_in.app_group = key, key.app_group
        _count(let_in, self.limit)
        _check_parameters(request)
        let_in.json = _body(request) if header is not None else body
        if further := self.also(let_in.json):
            _count(let_in, further)
        return key

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        """Never called: the key may stand in the body, too."""
        raise NotImplementedError


def _count(request: ApiRequest, limit: str) -> None:
    """Give the call the headers of a limit. Outside any transaction: others wait for the count. Raises ApiError."""
    request.rate = limits.count(request.app_group, limit, now=timezone.now())
    if request.rate.is_over:
        raise ApiError(429, _("Too many calls. Wait as Retry-After says."))


def require(scope: str, *, limit: str = "default", also: Callable[[strict.Json], str] = lambda _body: "") -> ApiKeyAuth:
    """What an operation asks of a key, and what limits it has (see ApiKeyAuth)."""
    if scope not in keys.SCOPES:
        raise ValueError(scope)
    return ApiKeyAuth(scope, limit, also)


def _legacy(request: HttpRequest, body: strict.Json) -> str:
    """The key in the body, as older clients of Braze send it; never one in the address."""
    text = body.get("api_key") if isinstance(body, dict) else None
    return f"Bearer {text}" if isinstance(text, str) else ""


def _unauthorized(message: str) -> ApiError:
    return ApiError(401, message, headers={"WWW-Authenticate": "Bearer"})


def _check_parameters(request: HttpRequest) -> None:
    """No text in the address that a database cannot look for. Raises ApiError."""
    try:
        strict.check_texts(text for _name, values in request.GET.lists() for text in values)
    except strict.NotJson as error:
        raise ApiError(400, str(error)) from None


def _body(request: HttpRequest) -> strict.Json:
    """The JSON of a POST; None for a GET. Raises ApiError."""
    if request.method not in ("POST", "PUT", "PATCH", "DELETE"):
        return None
    if request.content_type != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError(415, _("Send JSON, not compressed, with Content-Type: application/json."))
    longest = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    length = request.headers.get("Content-Length", "")
    if not (length.isascii() and length.isdigit()):
        raise ApiError(411, _("Content-Length is missing."))
    if int(length) > longest:
        raise ApiError(413, _("The body is longer than %(n)d bytes.") % {"n": longest})
    try:
        if len(request.body) < int(length):
            raise ApiError(400, _("The body ended too early."))
        return strict.loads(request.body)
    except strict.NotJson as error:
        raise ApiError(400, str(error)) from None
    except UnreadablePostError:
        raise ApiError(400, _("The body ended too early.")) from None


class _Parsed(Parser):
    """Hands ninja the body that ``require`` has read."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Never parses twice, and never by ninja's own rules."""
        return request.json  # type: ignore[attr-defined]  # see ApiRequest


def new_api(**options: Any) -> NinjaAPI:
    """A NinjaAPI whose errors all look the same."""
    api = NinjaAPI(parser=_Parsed(), **options)
    api.add_exception_handler(ApiError, _api_error)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(HttpError, _http_error)
    return api


def _api_error(request: HttpRequest, error: Any) -> HttpResponse:
    return failure(error.status, error.message, error.errors, error.headers)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    return failure(error.status_code, str(error))


def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    """What pydantic found, without the values it quotes."""
    problems = [
        {"type": one["type"], "field": ".".join(str(part) for part in one["loc"][1:]), "message": one["msg"]}
        for one in error.errors
    ]
    return failure(400, _("The call is not as the documentation says."), problems)


class Door:
    """Middleware: under the API's paths no answer but JSON, no redirect, and the headers of the rate limit.

    A client of the API who asks for what nobody offers, such as /campaigns, is told so in JSON, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Errors of Django and of the database come through here, too."""
        if not PATHS.match(request.path_info):
            response = self.get_response(request)
            is_lost = response.status_code == 404 and request.resolver_match is None and _speaks_json(request)
            return _as_json(response) if is_lost else response
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():  # a redirect would hide that the key was sent bare
            response = failure(403, _("Use https. The key was sent readable for everybody: revoke it."))
        else:
            response = self.get_response(request)
        if response.status_code >= 400 and not response.get("Content-Type", "").startswith("application/json"):
            response = _as_json(response)
        response["Cache-Control"] = "no-store"
        if rate := getattr(request, "rate", None):
            for name, value in rate.headers(now=timezone.now()).items():
                response[name] = value
        return response


def _speaks_json(request: HttpRequest) -> bool:
    """Whether a program calls, and no browser."""
    has_key = _BEARER.fullmatch(request.headers.get("Authorization", "")) is not None
    return has_key or request.content_type == "application/json"


def _as_json(page: HttpResponse) -> HttpResponse:
    kept = {name: page[name] for name in ("Allow", "Retry-After") if name in page}
    return failure(page.status_code, _words(page.status_code), headers=kept)


def _words(status: int) -> str:
    """What an error means that did not come from the API itself."""
    known = {
        404: _("There is no such address. Addresses end without a slash."),
        405: _("This address does not take this method."),
        413: _("The body is too long."),
        500: _("Something went wrong on our side. It has been logged; try again in a moment."),
        503: _("We are not ready just now. Try again in a minute."),
    }
    return known.get(status) or HTTPStatus(status).phrase
