"""Sessions: sign out after SESSION_IDLE_MINUTES, list them, end all others of an account."""

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

USED_AT = "used_at"  # session key: seconds since 1970
SAVE_SECONDS = 30  # the time of use is saved this often at most, not with each page

View = Callable[[HttpRequest], HttpResponse]


def end_idle(get_response: View) -> View:
    """Middleware: sign out a user whose session was idle for too long."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.SESSION_IDLE_MINUTES and request.user.is_authenticated:
            _end_or_keep(request, now=time.time())
        return get_response(request)

    return middleware


def _end_or_keep(request: HttpRequest, *, now: float) -> None:
    """Sign out if the session was idle for too long, else save that it is used."""
    used_at = request.session.setdefault(USED_AT, now)
    if now - used_at > settings.SESSION_IDLE_MINUTES * 60:
        logout(request)
        messages.info(
            request, _("You were signed out because this session was not used for a while.")
        )
    elif now - used_at > SAVE_SECONDS and not _is_background(request):
        request.session[USED_AT] = now


def _is_background(request: HttpRequest) -> bool:
    """Return whether an open page sent the request by a timer, not through an act of the user."""
    return "X-Background" in request.headers  # set by static/app.js


def list_sessions(request: HttpRequest) -> list[UserSession]:
    """Return the sessions of the account, the current one first.

    A session that began before sessions were recorded has no row: the current one then gets an
    unsaved row, others are not listed.
    """
    user = access.user(request)
    rows: list[UserSession] = UserSession.objects.purge_and_list(user)
    if not any(row.is_current() for row in rows):
        rows.append(_unsaved_row(request))
    return sorted(rows, key=lambda row: (not row.is_current(), -row.created_at.timestamp()))


def _unsaved_row(request: HttpRequest) -> UserSession:
    """Return what a row of the current session would hold."""
    user, adapter = access.user(request), get_adapter()
    return UserSession(
        user=user,
        session_key=request.session.session_key,
        created_at=user.last_login or timezone.now(),
        ip=adapter.get_client_ip(request),
        user_agent=adapter.get_http_user_agent(request),
    )


def end_others(request: HttpRequest) -> None:
    """End all sessions of the account except this one, also those that are not listed."""
    user, current = access.user(request), request.session.session_key
    others = Session.objects.exclude(pk=current).filter(expire_date__gt=timezone.now())
    # Django stores the user of a session inside of its encoded data, not in a column.
    ended_ids = [
        row.pk for row in others.iterator() if row.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    Session.objects.filter(pk__in=ended_ids).delete()
    UserSession.objects.filter(user=user).exclude(session_key=current).delete()
