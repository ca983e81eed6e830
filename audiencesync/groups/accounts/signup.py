"""Sign-up by invitation: the address is fixed, and the group is joined in the same transaction."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import SignupForm
from allauth.account.internal.flows.login import record_authentication
from allauth.core.exceptions import ImmediateHttpResponse
from django import forms
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.accounts import addresses, invitations
from audiencesync.groups.accounts.adapter import INVITATION
from audiencesync.groups.models import Invitation, User


class InvitedSignupForm(SignupForm):
    """allauth's sign-up form with the invited address fixed."""

    name = forms.CharField(label=_("Your name"), max_length=120, required=False)
    field_order = ("email", "name", "password1")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        adapter = get_adapter()
        invitation = adapter.open_invitation(adapter.request)
        self.fields["name"].widget.attrs["autocomplete"] = "name"
        self.fields["email"].disabled = True  # Django then ignores what the browser sends
        self.initial["email"] = invitation.email if invitation else ""
        self.fields["email"].required = bool(invitation)

    def clean_email(self) -> str:
        """Refuse an invitation that was accepted since the view looked at it."""
        if not self.initial["email"]:
            raise ValidationError(_("It has been used already. If it was you, simply sign in."))
        email: str = super().clean_email()
        return email

    def validate_unique_email(self, value: str) -> str:
        """Refuse the address of an account; a pending change to it does not count."""
        if User.objects.filter(email=value.lower()).exists():
            raise get_adapter().validation_error("email_taken")
        self.account_already_exists = False
        return value

    def save(self, request: HttpRequest) -> User:
        """Create the user as a member of the group.

        If the invitation was used meanwhile, show a page.
        """
        try:
            with transaction.atomic():
                return self._join(request)
        except (IntegrityError, _NoLongerOpen):
            raise ImmediateHttpResponse(_closed_page(request)) from None

    def _join(self, request: HttpRequest) -> User:
        """Run inside a transaction. Raises _NoLongerOpen."""
        adapter = get_adapter()
        invitation = invitations.get_open_for_update(
            request.session.get(INVITATION, 0), now=timezone.now()
        )
        if invitation is None:
            raise _NoLongerOpen
        addresses.end_changes_of_others_to(invitation.email)
        # The mailed link proves the mailbox; one that the inviter has seen proves nothing.
        adapter.stash_verified_email(request, "" if invitation.link_shown else invitation.email)
        user: User = super().save(request)
        if not invitations.accept(invitation, user, now=timezone.now()):
            raise _NoLongerOpen
        user.name = self.cleaned_data["name"].strip()
        user.save(update_fields=["name"])
        record_authentication(request, user, method="password")
        return user


class _NoLongerOpen(Exception):
    """The invitation was accepted or withdrawn, or has expired meanwhile."""


def _closed_page(request: HttpRequest) -> HttpResponse:
    """Return the page that says why the invitation cannot be accepted."""
    invitation = (
        Invitation.objects.select_related("app_group")
        .filter(pk=request.session.get(INVITATION, 0))
        .first()
    )
    reason, advice = invitations.why_closed(invitation, now=timezone.now())
    return render(
        request, "groups/invitation_closed.html", {"reason": reason, "advice": advice}, status=410
    )
