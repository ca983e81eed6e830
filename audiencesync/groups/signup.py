"""Sign-up by invitation: the address is the invited one, the group is joined in the same transaction."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import SignupForm
from django import forms
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.groups import invitations
from audiencesync.groups.models import User


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

    @transaction.atomic
    def save(self, request: HttpRequest) -> User:
        """The new user, a member of the group. Raises PermissionDenied if the invitation was used meanwhile."""
        invitation = get_adapter().open_invitation(request)
        user: User = super().save(request)
        if invitation is None or not invitations.accept(invitation, user, now=timezone.now()):
            raise PermissionDenied
        user.name = self.cleaned_data["name"].strip()
        user.save(update_fields=["name"])
        return user
