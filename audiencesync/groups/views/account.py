"""Account pages that differ from allauth's own: confirm and change the address, sessions."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.account.views import EmailView
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from audiencesync.groups import access
from audiencesync.groups.accounts import addresses
from audiencesync.groups.accounts import sessions as sessions_of
from audiencesync.groups.models import User


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@access.signed_in
def confirm_email(request: HttpRequest, key: str) -> HttpResponse:
    """The page of a mailed link that confirms an address, for the account that requested it."""
    address = addresses.find(key)
    is_mine = address is not None and address.user_id == access.user(request).pk
    if request.method == "POST" and address and is_mine:
        if _is_free(address) and _confirm(request, address):
            return redirect("account_email")
        messages.error(request, _("This address belongs to another account."))
    return render(
        request,
        "groups/email_confirm.html",
        {"address": address, "is_mine": is_mine},
        status=200 if address else 410,
    )


def _is_free(address: EmailAddress) -> bool:
    return not User.objects.filter(email=address.email.lower()).exclude(pk=address.user_id).exists()


def _confirm(request: HttpRequest, address: EmailAddress) -> bool:
    """Make it the address of the account; return False if another account has it meanwhile.

    allauth notifies the former address by mail.
    """
    if address.email.lower() == address.user.email.lower():
        addresses.confirm(address.user)
        messages.success(request, _("You have confirmed %(email)s.") % {"email": address.email})
        return True
    try:
        with transaction.atomic():
            return bool(get_adapter().confirm_email(request, address))
    except IntegrityError:  # another account took it at the same time
        return False


class ChangeEmail(EmailView):
    """allauth's page for a change of the address, which also notifies the present address."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Send the confirmation to the new address and a notification to the present one."""
        answer: HttpResponse = super().form_valid(form)
        get_adapter().send_notification_mail(
            "groups/email_change_asked",
            access.user(self.request),
            {"to_email": form.cleaned_data["email"]},
        )
        return answer


change_email = ChangeEmail.as_view()


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@access.signed_in
def sessions(request: HttpRequest) -> HttpResponse:
    """List the sessions of the account; POST ends all others."""
    if request.method == "POST":
        sessions_of.end_others(request)
        messages.success(request, _("All other sessions have ended."))
        return redirect("usersessions_list")
    return render(request, "groups/sessions.html", {"sessions": sessions_of.list_sessions(request)})
