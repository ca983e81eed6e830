"""allauth's forms of the account where a row that waits for its confirmation would count for too much there."""

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

from audiencesync.groups.accounts import addresses, asked_mails


class ChangeEmailForm(AddEmailForm):
    """Another address: only for an account whose present one was confirmed."""

    def clean_email(self) -> str:
        """Else the unconfirmed address would be lost, and with it the way to sign in."""
        if not addresses.is_proven(self.user):
            raise forms.ValidationError(
                _("Confirm your present address first: open the link that we mailed to it.")
            )
        email: str = super().clean_email()
        return email


class NewPasswordForm(ChangePasswordForm):
    """A new password in exchange for the old one, which is guessed here no more often than at sign-in."""

    def clean_oldpassword(self) -> str:
        """The password of the account. Wrong ones count as failed sign-ins of it."""
        password: str = self.cleaned_data["oldpassword"]
        adapter = get_adapter()
        if (
            adapter.authenticate(context.request, email=self.user.email, password=password)
            != self.user
        ):
            raise adapter.validation_error("enter_current_password")
        return password


class ResetForm(ResetPasswordForm):
    """The engine mails the address of the account, never one that it only asked for; here nothing tells accounts."""

    def clean_email(self) -> str:
        """The address as typed."""
        email: str = self.cleaned_data["email"]
        return email

    def save(self, request: HttpRequest, **_kwargs: Any) -> str:
        """Ask for the mail."""
        email: str = self.cleaned_data["email"]
        asked_mails.ask(asked_mails.PASSWORD_RESET, email, now=timezone.now())
        return email


class ResetKeyForm(ResetPasswordKeyForm):
    """A new password by the mailed link, which proves the address as well."""

    @transaction.atomic
    def save(self) -> None:
        """Pending changes of the address end with the old password (adapter.set_password)."""
        super().save()
        addresses.prove(self.user)
