"""The front door of the REST API: authentication, scopes, rate limits, request bodies, JSON errors.

An operation is ``@router.post("/users/track", auth=door.require("users.track"))``. It takes an
ApiRequest, and returns ``door.success(...)`` or raises ApiError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
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
from audiencesync.rest import bodies, openapi, strict_json
from audiencesync.rest.errors import ApiError, ErrorDetail, unauthorized

_BEARER = re.compile(r"Bearer +(\S+)", re.IGNORECASE | re.ASCII)
BrazeId = Annotated[str, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{24}$"})]
ApiId = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
Timestamp = Annotated[
    str, WithJsonSchema({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]})
]
# PHP writes an empty object as an empty list.
Object = Annotated[dict[str, Any], BeforeValidator(lambda value: {} if value == [] else value)]
# An external id; people/models limits its length.
TextId = Annotated[
    str,
    BeforeValidator(strict_json.number_as_text),
    WithJsonSchema({"type": ["string", "integer"], "maxLength": 987}),
]


class ApiRequest(HttpRequest):
    """A request that ``require`` has admitted."""

    api_key: ApiKey
    app_group: AppGroup
    json: strict_json.Json  # the body of a POST
    rate: rate_limits.Rate


MAX_ERRORS = 100  # errors in one response


class Success(Schema):
    """The fields that every response begins with.

    Longer ones are subclasses, for the documentation.
    """

    message: str
    errors: list[dict[str, Any]] | None = None


class Failure(Schema):
    """The shape of every error."""

    message: str
    errors: list[dict[str, Any]]
    request_id: str


ERRORS: dict[int, type[Schema]] = dict.fromkeys(
    (400, 401, 403, 404, 409, 411, 413, 415, 422, 429, 500, 503), Failure
)


def success(
    status: int = 200, *, errors: Sequence[ErrorDetail] = (), **fields: object
) -> HttpResponse:
    """Return ``{"message": "success", ...}``.

    ``errors`` is left out if empty: clients read its presence as a failure.
    """
    body: dict[str, object] = {"message": "success", **fields}
    if errors:
        body["errors"] = list(errors)
    return JsonResponse(body, status=status, json_dumps_params={"ensure_ascii": False})


def require_any_done(n_done: int, errors: Sequence[ErrorDetail]) -> None:
    """Raise ApiError if there are errors and no object was processed."""
    if errors and not n_done:
        raise ApiError(400, "No object could be processed.", errors)


def failure(
    status: int,
    message: str,
    errors: Sequence[ErrorDetail] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return an error response. ``request_id`` finds its lines in the log."""
    body = {"message": message, "errors": list(errors), "request_id": logs.request_id.get()}
    return JsonResponse(
        body, status=status, headers=headers, json_dumps_params={"ensure_ascii": False}
    )


class ApiKeyAuth(HttpBearer):
    """Admits a call if its key is open and has the scope, and reads its body.

    ``limit``: a name of settings.API_LIMITS. ``also``: returns the name of a further limit that
    applies to a body, or an empty text.
    """

    def __init__(self, scope: str, limit: str, also: Callable[[strict_json.Json], str]) -> None:
        super().__init__()
        self.scope, self.limit, self.also = scope, limit, also

    def __call__(self, request: HttpRequest) -> ApiKey:
        """Return the key, and set the attributes of ApiRequest."""
        if "api_key" in request.GET:
            raise unauthorized(
                "A key never belongs into an address: addresses are logged. "
                "Revoke it and send the new one as a header."
            )
        header = request.headers.get("Authorization")
        body = (
            bodies.read(request, longest=bodies.MAX_BYTES_WITHOUT_KEY) if header is None else None
        )
        text = _key_in_body(body) if header is None else header
        bearer = _BEARER.fullmatch(text)
        key = api_keys.find(bearer[1], now=timezone.now()) if bearer else None
        if key is None:
            raise unauthorized("Send a valid key: Authorization: Bearer ask_…")
        api_request = cast(ApiRequest, request)
        api_request.api_key, api_request.app_group = key, key.app_group
        check_scope(api_request, self.scope)
        _count(api_request, self.limit)
        _check_parameters(request)
        api_request.json = bodies.read(request) if header is not None else body
        if further_limit := self.also(api_request.json):
            _count(api_request, further_limit)
        return key

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        """This is never called: __call__ is overridden, because the key may be in the body."""
        raise NotImplementedError


def check_scope(request: ApiRequest, scope: str) -> None:
    """Raise ApiError if the key lacks the scope."""
    if scope not in request.api_key.scopes:
        raise ApiError(403, f"This key may not do this: it lacks {scope}.")


def _count(request: ApiRequest, limit: str) -> None:
    """Count the call against a limit. Raises ApiError."""
    # No transaction is open here: parallel calls would wait for this row until its end.
    request.rate = rate_limits.count(request.app_group, limit, now=timezone.now())
    if request.rate.is_over:
        raise ApiError(429, "Too many calls. Wait as Retry-After says.")


def require(
    scope: str,
    *,
    limit: str = "default",
    also: Callable[[strict_json.Json], str] = lambda _body: "",
) -> ApiKeyAuth:
    """Return the authentication of an operation (see ApiKeyAuth)."""
    if scope not in api_keys.SCOPES:
        raise ValueError(scope)
    return ApiKeyAuth(scope, limit, also)


def _key_in_body(body: strict_json.Json) -> str:
    """Return the key that older clients of Braze send in the body, as a header would hold it."""
    text = body.get("api_key") if isinstance(body, dict) else None
    return f"Bearer {text}" if isinstance(text, str) else ""


def _check_parameters(request: HttpRequest) -> None:
    """Refuse texts that the database cannot search for; drop parameters without a value.

    Raises ApiError.
    """
    try:
        strict_json.check_texts(text for _name, values in request.GET.lists() for text in values)
    except strict_json.NotJson as error:
        raise ApiError(400, str(error)) from None
    if "" in request.GET.values():  # a parameter without a value means its default
        params = request.GET.copy()
        for name in [name for name, text in request.GET.items() if not text]:
            del params[name]
        request.GET = params  # type: ignore[assignment]  # a copy is mutable


class _Parsed(Parser):
    """Gives ninja the body that ``require`` has parsed."""

    def parse_body(self, request: HttpRequest) -> Any:
        return request.json  # type: ignore[attr-defined]  # see ApiRequest


class _Api(openapi.Api):
    """Caches the OpenAPI document, which is public and costs as much as many calls."""

    def get_openapi_schema(self, **options: Any) -> Any:
        """Return the document, cached per language."""
        cache: dict[tuple[object, ...], Any] = self.__dict__.setdefault("kept_schemas", {})
        key = (settings.SITE_URL, get_language(), options.get("path_prefix"))
        if options.get("path_params"):  # parameters in the URL prefix of the API; ours has none
            return super().get_openapi_schema(**options)
        if key not in cache:
            cache[key] = super().get_openapi_schema(**options)
        return cache[key]


def new_api(**options: Any) -> NinjaAPI:
    """Return a NinjaAPI with uniform errors."""
    api = _Api(parser=_Parsed(), **options)
    api.add_exception_handler(ApiError, _api_error)
    api.add_exception_handler(ValidationError, _validation_error)
    api.add_exception_handler(HttpError, _http_error)
    return api


def _field_path(place: Sequence[object]) -> str:
    """Return the path in the caller's body: ("body", "body", "events", 3) becomes events.3.

    The second part is the name of the operation's argument; other places have only the first.
    """
    start = 2 if place[0] == "body" else 1
    return ".".join(str(part) for part in place[start:])


def _api_error(request: HttpRequest, error: Any) -> HttpResponse:
    return failure(error.status, error.message, error.errors, error.headers)


def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    return failure(error.status_code, str(error))


def _validation_error(request: HttpRequest, error: Any) -> HttpResponse:
    """Return pydantic's errors without the values they quote."""
    problems = [
        {"type": problem["type"], "field": _field_path(problem["loc"]), "message": problem["msg"]}
        for problem in error.errors[:MAX_ERRORS]
    ]
    return failure(400, "The call is not as the documentation says.", problems)
