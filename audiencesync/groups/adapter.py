"""Sign-up only by invitation."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.utils import timezone

from audiencesync.groups.models import Invitation

INVITATION = "invitation"  # session key: the primary key of the invitation this visitor came with


class InvitationAdapter(DefaultAccountAdapter):
    """Opens sign-up only to a session that holds an open invitation."""

    def open_invitation(self, request: HttpRequest) -> Invitation | None:
        """The invitation this visitor came with, if it can still be accepted."""
        found = Invitation.objects.select_related("app_group").filter(pk=request.session.get(INVITATION, 0)).first()
        return found if found and found.is_open(now=timezone.now()) else None

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether this visitor came through an open invitation."""
        return self.open_invitation(request) is not None
