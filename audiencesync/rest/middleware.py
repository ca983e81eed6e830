"""Middleware at the door of the REST API: no answer but JSON, in English, and no address lost to an extra slash."""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation

from audiencesync.rest import door

PATHS = re.compile(f"/{settings.API_PATHS}")
# The first parts of Braze's addresses: a client that moves here asks for some that we do not offer.
_BRAZE = re.compile(
    r"/(?:users|canvas|segments|campaigns|feed|events|app_group|catalogs|cdi|content_blocks|custom_attributes|email|kpi"
    r"|live_activity|media_library|messages|preference_center|purchases|push|scim|sdk_authentication|sends|sessions|sms"
    r"|subscription|templates|transactional)(?:/|$)"
)
_SLASHES = re.compile(r"/{2,}")
_BEARER = re.compile(r"Bearer +\S+", re.IGNORECASE | re.ASCII)
LANGUAGE = "en"  # programs compare messages


class Door:
    """Under the API's paths no answer but JSON, no redirect, and the headers of the rate limit.

    A client of the API who asks for what nobody offers, such as /email/status, is told so in JSON, too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Errors of Django and of the database come through here, too."""
        _collapse(request)
        if not PATHS.match(request.path_info):
            response = self.get_response(request)
            is_lost = (
                response.status_code == 404
                and request.resolver_match is None
                and _speaks_json(request)
            )
            return _as_json(request, response) if is_lost else response
        if (
            settings.SECURE_SSL_REDIRECT and not request.is_secure()
        ):  # a redirect would hide that the key was sent bare
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
        """Messages for programs are in one language, whatever the reader's browser says."""
        if PATHS.match(request.path_info):
            translation.activate(LANGUAGE)


def _collapse(request: HttpRequest) -> None:
    """``//users/track`` is /users/track: the address of the API was configured with a slash at its end."""
    path = _SLASHES.sub("/", request.path_info)
    if path != request.path_info and PATHS.match(path):
        request.path = request.path.removesuffix(request.path_info) + path
        request.path_info = path


def _speaks_json(request: HttpRequest) -> bool:
    """Whether a program calls, and no browser."""
    has_key = _BEARER.fullmatch(request.headers.get("Authorization", "")) is not None
    accept = request.headers.get("Accept", "")
    wants_json = "application/json" in accept and "text/html" not in accept
    return has_key or wants_json or request.content_type == "application/json"


def _as_json(request: HttpRequest, page: HttpResponse) -> HttpResponse:
    kept = {name: page[name] for name in ("Allow", "Retry-After") if name in page}
    return door.failure(page.status_code, _words(request, page.status_code), headers=kept)


def _words(request: HttpRequest, status: int) -> str:
    """What an error means that did not come from the API itself."""
    if status == 404:
        return _lost(_SLASHES.sub("/", request.path_info))
    known = {
        405: "This address does not take this method.",
        413: "The body is too long.",
        500: "Something went wrong on our side. It has been logged; try again in a moment.",
        503: "We are not ready just now. Try again in a minute.",
    }
    return known.get(status) or HTTPStatus(status).phrase


def _lost(path: str) -> str:
    if path.endswith("/") and PATHS.match(path):
        return "There is no such address. Addresses end without a slash."
    if _BRAZE.match(path):
        return "There is no such address: this is a Braze call that AudienceSync does not offer."
    return "There is no such address."
