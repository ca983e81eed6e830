"""Sign-up only by invitation."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class InvitationAdapter(DefaultAccountAdapter):
    """Opens sign-up only to a session that holds an open invitation."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether this visitor came through an invitation link."""
        return "invitation" in request.session
