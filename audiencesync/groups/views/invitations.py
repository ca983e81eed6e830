"""The page of an invitation link."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audiencesync.groups import access
from audiencesync.groups.accounts import invitations
from audiencesync.groups.accounts.adapter import INVITATION
from audiencesync.groups.models import Invitation, User


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show inviter and group. POST accepts, or redirects to sign-up."""
    found = invitations.find(token)
    if found is None or not invitations.is_open(found, now=timezone.now()):
        return _not_open(request, found)
    if request.method == "POST":
        return _go_on(request, found)
    has_account = User.objects.filter(email=found.email).exists()
    is_mine = request.user.is_authenticated and _is_for(found, access.user(request))
    return render(
        request,
        "groups/invitation.html",
        {
            "invitation": found,
            "has_account": has_account,
            "is_mine": is_mine,
            "must_prove": is_mine and not invitations.may_accept(found, access.user(request)),
            "token": token,
        },
    )


def _is_for(found: Invitation, user: User) -> bool:
    return user.email.lower() == found.email.lower()


def _go_on(request: HttpRequest, found: Invitation) -> HttpResponse:
    if request.user.is_authenticated:
        user = access.user(request)
        if not _is_for(found, user):
            return redirect(request.path)
        if not invitations.may_accept(found, user) or not invitations.accept(
            found, user, now=timezone.now()
        ):
            return redirect(request.path)
        messages.success(request, _("Welcome to %(group)s.") % {"group": found.app_group.name})
        return redirect("group", found.app_group.slug)
    request.session[INVITATION] = found.pk
    return redirect("account_signup")


def _not_open(request: HttpRequest, found: Invitation | None) -> HttpResponse:
    reason, advice = invitations.why_closed(found, now=timezone.now())
    context = {"reason": reason, "advice": advice}
    return render(request, "groups/invitation_closed.html", context, status=410 if found else 404)
