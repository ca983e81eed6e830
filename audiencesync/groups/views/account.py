"""The pages of the account that allauth's own would answer too kindly, and that of its sessions."""

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
    """The page behind the link that confirms an address: for the account that asked for it, signed in."""
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
    """Make the address that of the account; the old one is told by mail."""
    if address.email.lower() == address.user.email.lower():
        addresses.prove(address.user)
        messages.success(request, _("You have confirmed %(email)s.") % {"email": address.email})
        return True
    try:
        with transaction.atomic():
            return bool(get_adapter().confirm_email(request, address))
    except IntegrityError:  # another account took it in this very second
        return False


class ChangeEmail(EmailView):
    """allauth's page of the address; the present address hears of a wish to change it, too."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Ask the new address to confirm, and tell the present one."""
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
    """Where the account is signed in; POST ends all sessions but this one."""
    if request.method == "POST":
        sessions_of.end_others(request)
        messages.success(request, _("All other sessions have ended."))
        return redirect("usersessions_list")
    return render(request, "groups/sessions.html", {"sessions": sessions_of.listed(request)})
