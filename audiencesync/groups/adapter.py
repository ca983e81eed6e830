"""Sign-up only by invitation; mails that a server refuses."""

import logging
from smtplib import SMTPException
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest
from django.utils import timezone

from audiencesync.groups.models import Invitation

logger = logging.getLogger(__name__)
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

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A refused mail is logged without its address. The page says the same, or it would tell who has an account."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, SMTPException) as error:
            logger.error("A mail could not be sent (%s): %s.", type(error).__name__, template_prefix)
