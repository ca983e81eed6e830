"""Error pages.

They use no database, session or context processor, because those may be what failed.
"""

import errno
import sys
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import resolve
from django.utils.translation import gettext as _
from redis import RedisError

from audiencesync.core import logs

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _page(status: int, title: str, text: str, *, back: str = "") -> HttpResponse:
    context = {
        "status": status,
        "error_title": title,
        "text": text,
        "request_id": logs.request_id.get(),
        "back": back,
    }
    return HttpResponse(render_to_string("error.html", context), status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return _page(
        400,
        _("This request makes no sense to us"),
        _("Go back and try again. If you typed the address, check it."),
    )


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 403 for a member without the role."""
    return _page(
        403,
        _("You may not do this"),
        _(
            "Your role in this app group does not include it. "
            "An admin of the group can change that."
        ),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Return 403 for a form without its token. Django has logged the ``reason``."""
    return _page(
        403,
        _("This form is out of date"),
        _(
            "Nothing was changed. Go back, reload the page and send the form again; "
            "cookies must be allowed."
        ),
    )


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 404. The page does not say whether the object exists and belongs to another group."""
    return _page(
        404,
        _("There is no such page"),
        _("It may have been removed, or it belongs to an app group you are not a member of."),
    )


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Return 429 for allauth's limits of sign-in, sign-up and password reset."""
    return _page(
        429, _("Too many attempts"), _("For safety we wait a little. Try again in a few minutes.")
    )


def method_not_allowed_page(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: answer a GET of a POST-only URL (after a reload or a sign-in) with a page that
    links back.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.method != "GET" or response.status_code != 405 or response.content:
            return response
        page = _page(
            405,
            _("Nothing was done"),
            _(
                "This address only takes what a form sends. "
                "Go back to the page and press the button again."
            ),
            back=_nearest_page(request.path),
        )
        page["Allow"] = response["Allow"]
        return page

    return middleware


def _nearest_page(path: str) -> str:
    """Return the closest parent of ``path`` that is a page."""
    while path.strip("/"):
        path = path.rstrip("/").rpartition("/")[0] + "/"
        try:
            resolve(path)
        except Http404:
            continue
        return path
    return "/"


def server_error(request: HttpRequest) -> HttpResponse:
    """Return 503 while the database or Redis does not answer or the disk is full, else 500."""
    match sys.exc_info()[1]:
        case OperationalError() | InterfaceError():
            return _not_ready(_("The database is not ready. Try again in a minute."))
        case RedisError():
            return _not_ready(_("The cache is not ready. Try again in a minute."))
        case OSError(errno=number) if number in DISK_FULL:
            return _not_ready(
                _(
                    "The disk is full. The operator of this installation has to make room; "
                    "then try again."
                )
            )
    return _page(
        500,
        _("Something went wrong on our side"),
        _("It has been logged. Nothing you did is lost; try again shortly."),
    )


def _not_ready(text: str) -> HttpResponse:
    response = _page(503, _("We are not ready just now"), text)
    response["Retry-After"] = "60"
    return response
