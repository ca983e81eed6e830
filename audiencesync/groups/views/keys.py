"""The page of API keys, for admins: list, create (the key is shown once), revoke."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods

from audiencesync.core import crypto, htmx
from audiencesync.groups import access, reauthentication
from audiencesync.groups import api_keys as domain
from audiencesync.groups.forms import ApiKeyForm
from audiencesync.groups.models import ApiKey, AppGroup, Role

NEW_KEY = "new_api_key"  # session key: the new API key, sealed, until the page is loaded


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def keys(request: HttpRequest, group: str) -> HttpResponse:
    """List all keys; POST creates one."""
    app_group = access.group(request, Role.ADMIN)
    form = ApiKeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        reauthentication.require(request)
        try:
            _issue(request, app_group, form)
        except domain.JustIssued:
            message = _("The key %(name)s was created just now. Revoke it if you have not seen it.")
            messages.info(request, message % {"name": form.cleaned_data["name"]})
        return redirect("api_keys", group)
    now = timezone.now()
    rows = access.all_of(request, ApiKey, Role.ADMIN).select_related("created_by")
    listed = [
        (key, key.is_open(now=now), [domain.SCOPES.get(scope, scope) for scope in key.scopes])
        for key in rows
    ]
    context = {"keys": listed, "form": form, "new_key": _pop_new_key(request, app_group)}
    answer = render(request, "groups/keys.html", context, status=422 if form.errors else 200)
    answer["Cache-Control"] = "no-store"
    return answer


@sensitive_variables("text")
def _issue(request: HttpRequest, app_group: AppGroup, form: ApiKeyForm) -> None:
    _key, text = domain.issue(
        app_group,
        name=form.cleaned_data["name"],
        scopes=form.cleaned_data["scopes"],
        expires_at=form.expires_at(now=timezone.now()),
        by=access.user(request),
    )
    request.session[NEW_KEY] = crypto.seal(text, context=f"new-key:{app_group.pk}")


def _pop_new_key(request: HttpRequest, app_group: AppGroup) -> str:
    """Return the text of the key that was just created, once.

    On the next request, and in other groups, return an empty text.
    """
    if request.method != "GET" or NEW_KEY not in request.session:
        return ""
    try:
        return crypto.open_sealed(request.session.pop(NEW_KEY), context=f"new-key:{app_group.pk}")
    except crypto.CannotOpen:
        return ""


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def revoke(request: HttpRequest, group: str, key: int) -> HttpResponse:
    """Ask for confirmation, then revoke a key."""
    row = access.get(request, ApiKey, Role.ADMIN, pk=key)
    if request.method != "POST":
        template = "groups/key_revoke.html"
        if htmx.asks(request):
            template += "#question"
        return render(request, template, {"key": row})
    if domain.revoke(row, by=access.user(request), now=timezone.now()):
        messages.success(request, _("The key %(name)s is revoked.") % {"name": row.name})
    else:
        messages.info(request, _("The key %(name)s was revoked before.") % {"name": row.name})
    return redirect("api_keys", group)
