"""A session that nobody used for a while ends (SESSION_IDLE_MINUTES)."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

USED = "used_at"  # session key
NOTED_EVERY = 60  # seconds; a session is not written with each page

Answer = Callable[[HttpRequest], HttpResponse]


def end_idle(get_response: Answer) -> Answer:
    """Middleware: sign out who comes back too late."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.SESSION_IDLE_MINUTES and request.user.is_authenticated:
            _look(request, now=time.time())
        return get_response(request)

    return middleware


def _look(request: HttpRequest, *, now: float) -> None:
    used_at = request.session.setdefault(USED, now)
    if now - used_at > settings.SESSION_IDLE_MINUTES * 60:
        logout(request)
        messages.info(request, _("You were signed out because this session was not used for a while."))
    elif now - used_at > NOTED_EVERY // 2 and not _is_by_itself(request):
        request.session[USED] = now


def _is_by_itself(request: HttpRequest) -> bool:
    """An open page that fetches numbers tells nothing of its reader."""
    return request.method == "GET" and "HX-Request" in request.headers
