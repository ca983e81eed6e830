"""Middleware of the REST API: JSON responses only, in English; doubled slashes are ignored."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from audiencesync.rest import door

API_PATH = re.compile(f"/{settings.API_PATHS}")
# The first path segments of Braze's API: clients that move here call some that we do not offer.
_BRAZE_PATH = re.compile(
    r"/(?:users|canvas|segments|campaigns|feed|events|app_group|catalogs|cdi|content_blocks"
    r"|custom_attributes|email|kpi|live_activity|media_library|messages|preference_center"
    r"|purchases|push|scim|sdk_authentication|sends|sessions|sms|subscription|templates"
    r"|transactional)(?:/|$)"
)
_SLASHES = re.compile(r"/{2,}")
_BEARER = re.compile(r"Bearer +\S+", re.IGNORECASE | re.ASCII)
LANGUAGE = "en"  # clients compare messages


class ApiResponses:
    """Turns every response under the API's paths into JSON, without redirects, with rate-limit
    headers.

    An API client that calls an unknown path, such as /email/status, gets JSON, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        _collapse_slashes(request)
        if not API_PATH.match(request.path_info):
            response = self.get_response(request)
            is_unknown_path = (
                response.status_code == 404
                and request.resolver_match is None
                and _is_api_client(request)
            )
            return _as_json(request, response) if is_unknown_path else response
        if settings.SECURE_SSL_REDIRECT and not request.is_secure():
            # A redirect would hide that the key was sent unencrypted.
            response = door.failure(
                403, "Use https. The key was sent readable for everybody: revoke it."
            )
        else:
            response = self.get_response(request)
        if response.status_code >= 400 and not response.get("Content-Type", "").startswith(
            "application/json"
        ):
            response = _as_json(request, response)
        response["Cache-Control"] = "no-store"
        if rate := getattr(request, "rate", None):
            for name, value in rate.headers(now=timezone.now()).items():
                response[name] = value
        return response

    def process_view(self, request: HttpRequest, view: object, args: Any, kwargs: Any) -> None:
        """Switch to English, whatever language the request asks for."""
        if API_PATH.match(request.path_info):
            translation.activate(LANGUAGE)


def _collapse_slashes(request: HttpRequest) -> None:
    """Treat ``//users/track`` as /users/track: a client's base URL may end with a slash."""
    path = _SLASHES.sub("/", request.path_info)
    if path != request.path_info and API_PATH.match(path):
        request.path = request.path.removesuffix(request.path_info) + path
        request.path_info = path


def _is_api_client(request: HttpRequest) -> bool:
    """Return whether a program calls, not a browser."""
    has_key = _BEARER.fullmatch(request.headers.get("Authorization", "")) is not None
    accept = request.headers.get("Accept", "")
    wants_json = "application/json" in accept and "text/html" not in accept
    return has_key or wants_json or request.content_type == "application/json"


def _as_json(request: HttpRequest, page: HttpResponse) -> HttpResponse:
    headers = {name: page[name] for name in ("Allow", "Retry-After") if name in page}
    return door.failure(page.status_code, _message(request, page.status_code), headers=headers)


def _message(request: HttpRequest, status: int) -> str:
    """Return the text of an error that did not come from the API itself."""
    if status == 404:
        return _not_found(_SLASHES.sub("/", request.path_info))
    texts = {
        405: "This address does not take this method.",
        413: "The body is too long.",
        500: "Something went wrong on our side. It has been logged; try again shortly.",
        503: "We are not ready just now. Try again in a minute.",
    }
    return texts.get(status) or HTTPStatus(status).phrase


def _not_found(path: str) -> str:
    if path.endswith("/") and API_PATH.match(path):
        return "There is no such address. Addresses end without a slash."
    if _BRAZE_PATH.match(path):
        return "There is no such address: this is a Braze call that AudienceSync does not offer."
    return "There is no such address."
