"""allauth's forms of the account where a row that waits for its confirmation would count for too much there."""

from allauth.account.forms import AddEmailForm, ResetPasswordForm, ResetPasswordKeyForm
from django import forms
from django.db import transaction
from django.utils.translation import gettext as _

from audiencesync.groups import accounts
from audiencesync.groups.models import User


class ChangeEmailForm(AddEmailForm):
    """Another address: only for an account whose present one was confirmed."""

    def clean_email(self) -> str:
        """Else the unconfirmed address would be lost, and with it the way to sign in."""
        if not accounts.is_proven(self.user):
            raise forms.ValidationError(_("Confirm your present address first: open the link that we mailed to it."))
        email: str = super().clean_email()
        return email


class ResetForm(ResetPasswordForm):
    """The mail goes to the address of the account, never to one that it only asked for."""

    def clean_email(self) -> str:
        """The address as typed; ``users``: whose account it is."""
        email: str = self.cleaned_data["email"]
        self.users = list(User.objects.filter(email__iexact=email.strip(), is_active=True))
        return email


class ResetKeyForm(ResetPasswordKeyForm):
    """A new password by the mailed link, which proves the address as well."""

    @transaction.atomic
    def save(self) -> None:
        """Pending changes of the address end with the old password (adapter.set_password)."""
        super().save()
        accounts.prove(self.user)
