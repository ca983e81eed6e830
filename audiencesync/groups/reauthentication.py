"""Sensitive actions need a recent password or second factor, so that a stolen session cannot do
them.
"""

import time

from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from audiencesync.core import htmx
from audiencesync.groups import access


def is_recent(request: HttpRequest) -> bool:
    """Return whether this session proved a password or second factor within the last minutes."""
    records = get_authentication_records(request, access.user(request))
    oldest = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    return any(record["at"] > oldest for record in records)


def require(request: HttpRequest) -> None:
    """Ask for the password unless it was proved recently; allauth then repeats the POST."""
    if is_recent(request):
        return
    if not htmx.asks(request):
        raise ReauthenticationRequired
    # htmx would insert the password page into the current page; HX-Redirect makes it load instead.
    query = QueryDict(mutable=True)
    details = request.htmx  # type: ignore[attr-defined]  # set by django-htmx
    query["next"] = details.current_url_abs_path or "/"
    url = f"{reverse('account_reauthenticate')}?{query.urlencode(safe='/')}"
    raise ImmediateHttpResponse(HttpResponse(headers={"HX-Redirect": url}))
