"""Acts that a borrowed screen or a stolen session must not do: they ask for the password unless it was just typed."""

import time

from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse, ReauthenticationRequired
from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from audiencesync.groups import access


def is_fresh(request: HttpRequest) -> bool:
    """Whether this session has proved the password, or a second factor, within the last minutes."""
    records = get_authentication_records(request, access.user(request))
    oldest = time.time() - settings.ACCOUNT_REAUTHENTICATION_TIMEOUT
    return any(record["at"] > oldest for record in records)


def require(request: HttpRequest) -> None:
    """Go on only with a fresh proof. Else allauth asks for the password, and then repeats what the form had sent."""
    if is_fresh(request):
        return
    if not getattr(request, "htmx", False):
        raise ReauthenticationRequired
    back = QueryDict(mutable=True)
    back["next"] = request.htmx.current_url_abs_path or "/"  # type: ignore[attr-defined]  # set by django-htmx
    address = f"{reverse('account_reauthenticate')}?{back.urlencode(safe='/')}"
    raise ImmediateHttpResponse(HttpResponse(headers={"HX-Redirect": address}))
