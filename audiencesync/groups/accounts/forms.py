"""The account forms of allauth with our rules for addresses, guessed passwords and privacy."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import (
    AddEmailForm,
    ChangePasswordForm,
    ResetPasswordForm,
    ResetPasswordKeyForm,
)
from allauth.core import context
from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from audiencesync.groups.accounts import addresses, requested_mails


class ChangeEmailForm(AddEmailForm):
    """A change of the address, for accounts whose present address is confirmed."""

    def clean_email(self) -> str:
        # An account keeps only one unconfirmed address. If the present one is unconfirmed, the new
        # one would replace it at once, and with it the way to sign in.
        if not addresses.is_confirmed(self.user):
            raise forms.ValidationError(
                _("Confirm your present address first: open the link that we mailed to it.")
            )
        email: str = super().clean_email()
        return email


class NewPasswordForm(ChangePasswordForm):
    """A change of the password, with the rate limit of sign-in for the old password."""

    def clean_oldpassword(self) -> str:
        """Check the old password; a wrong one counts as a failed sign-in."""
        password: str = self.cleaned_data["oldpassword"]
        adapter = get_adapter()
        if (
            adapter.authenticate(context.request, email=self.user.email, password=password)
            != self.user
        ):
            raise adapter.validation_error("enter_current_password")
        return password


class ResetForm(ResetPasswordForm):
    """A request for a password reset. The engine sends the mail, to the account's address only."""

    def clean_email(self) -> str:
        # allauth would look the account up here; the response would then reveal whether it exists.
        email: str = self.cleaned_data["email"]
        return email

    def save(self, request: HttpRequest, **_kwargs: Any) -> str:
        """Queue the mail."""
        email: str = self.cleaned_data["email"]
        requested_mails.request(requested_mails.PASSWORD_RESET, email, now=timezone.now())
        return email


class ResetKeyForm(ResetPasswordKeyForm):
    """A new password by the mailed link, which also confirms the address."""

    @transaction.atomic
    def save(self) -> None:
        super().save()  # adapter.set_password cancels pending changes of the address
        addresses.confirm(self.user)
