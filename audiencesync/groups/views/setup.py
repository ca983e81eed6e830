"""Before the first account: a page with instructions, and the page of the one-time setup link."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from audiencesync.groups.first_start import setup_link as domain
from audiencesync.groups.first_start.forms import SetupForm
from audiencesync.groups.models import SetupLink, User

LoadDemo = Callable[..., object]  # (app_group, by=user); given in urls.py, from an app above
View = Callable[..., HttpResponseBase]


def with_setup_hint(view: View) -> View:
    """Decorate a view: until there is an account, show how to create the first one instead."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD") or domain.is_set_up():
            return view(request, *args, **kwargs)
        return render(request, "groups/set_up_first.html")

    return answer


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("password")
def setup(request: HttpRequest, token: str, load_demo: LoadDemo) -> HttpResponse:
    """The page of the setup link: creates the first account and app group, and demo profiles."""
    if reason := _why_closed(domain.find(token)):
        return _closed_page(request, reason)
    form = SetupForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(
            request, "groups/setup.html", {"form": form}, status=422 if form.errors else 200
        )
    try:
        user = domain.create(token, _account(form), form.instance, now=timezone.now())
    except domain.NotOpen:
        # If no reason is found now, another request has used the link at the same time.
        return _closed_page(request, _why_closed(domain.find(token)) or _has_staff_text())
    if form.cleaned_data["demo_people"]:
        load_demo(form.instance, by=user)
    _sign_in(request, user)
    return redirect("group", form.instance.slug)


def _account(form: SetupForm) -> domain.Account:
    data = form.cleaned_data
    name, language = data["person"].strip(), get_language() or "en"
    return domain.Account(
        email=data["email"], name=name, password=data["password"], language=language
    )


def _sign_in(request: HttpRequest, user: User) -> None:
    """Sign in, and record that the password was proved now, as the sign-in page would."""
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    record_authentication(request, user, "password")


def _why_closed(link: SetupLink | None) -> str:
    """Return why a link does not work, in words; empty if it works."""
    if domain.has_staff():
        return _has_staff_text()
    if link is None:
        return _("A newer link has replaced it, or it is not complete.")
    return "" if link.is_open(now=timezone.now()) else _("It is older than a day.")


def _has_staff_text() -> str:
    return _("There is an account for the staff of this installation already.")


def _closed_page(request: HttpRequest, reason: str) -> HttpResponse:
    context = {"reason": reason, "is_set_up": domain.has_staff()}
    return render(request, "groups/setup_closed.html", context, status=410)
