"""Sessions end: one that was not used for a while (SESSION_IDLE_MINUTES), and all others of an account on request."""

import time
from collections.abc import Callable

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from audiencesync.groups import access

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
        messages.info(
            request, _("You were signed out because this session was not used for a while.")
        )
    elif now - used_at > NOTED_EVERY // 2 and not _is_by_itself(request):
        request.session[USED] = now


def _is_by_itself(request: HttpRequest) -> bool:
    """An open page that fetches numbers tells nothing of its reader."""
    return request.method == "GET" and "HX-Request" in request.headers


def listed(request: HttpRequest) -> list[UserSession]:
    """The sessions of the account, this one first; one that began before sessions were listed shows only itself."""
    user = access.user(request)
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    if not any(one.is_current() for one in found):
        found.append(_this_one(request))
    return sorted(found, key=lambda one: (not one.is_current(), -one.created_at.timestamp()))


def _this_one(request: HttpRequest) -> UserSession:
    user, adapter = access.user(request), get_adapter()
    return UserSession(
        user=user,
        session_key=request.session.session_key,
        created_at=user.last_login or timezone.now(),
        ip=adapter.get_client_ip(request),
        user_agent=adapter.get_http_user_agent(request),
    )


def end_others(request: HttpRequest) -> None:
    """All sessions of the account but this one, listed or not."""
    user, mine = access.user(request), request.session.session_key
    others = Session.objects.exclude(pk=mine).filter(expire_date__gt=timezone.now())
    ended = [
        one.pk for one in others.iterator() if one.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(pk__in=ended).delete()
    UserSession.objects.filter(user=user).exclude(session_key=mine).delete()
