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
    row = invitations.find(token)
    if row is None or not invitations.is_open(row, now=timezone.now()):
        return _closed_page(request, row)
    if request.method == "POST":
        return _accept_or_sign_up(request, row)
    has_account = User.objects.filter(email=row.email).exists()
    is_mine = request.user.is_authenticated and _is_for(row, access.user(request))
    return render(
        request,
        "groups/invitation.html",
        {
            "invitation": row,
            "has_account": has_account,
            "is_mine": is_mine,
            "must_prove": is_mine and not invitations.may_accept(row, access.user(request)),
            "token": token,
        },
    )


def _is_for(row: Invitation, user: User) -> bool:
    return user.email.lower() == row.email.lower()


def _accept_or_sign_up(request: HttpRequest, row: Invitation) -> HttpResponse:
    if request.user.is_authenticated:
        user = access.user(request)
        if not _is_for(row, user):
            return redirect(request.path)  # the page says what is in the way
        if not invitations.may_accept(row, user) or not invitations.accept(
            row, user, now=timezone.now()
        ):
            return redirect(request.path)
        messages.success(request, _("Welcome to %(group)s.") % {"group": row.app_group.name})
        return redirect("group", row.app_group.slug)
    request.session[INVITATION] = row.pk
    return redirect("account_signup")


def _closed_page(request: HttpRequest, row: Invitation | None) -> HttpResponse:
    reason, advice = invitations.why_closed(row, now=timezone.now())
    context = {"reason": reason, "advice": advice}
    return render(request, "groups/invitation_closed.html", context, status=410 if row else 404)
