"""The allauth adapter: sign-up by invitation only, mails with links under SITE_URL only."""

import logging
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailConfirmationHMAC
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.accounts import addresses, invitations
from audiencesync.groups.models import Invitation

logger = logging.getLogger(__name__)
INVITATION = "invitation"  # session key: the primary key of the invitation this visitor came with


def under_site_url(url: str) -> str:
    """Return the URL of the same page under SITE_URL."""
    # Mails must not take the host from the request, which may name any allowed host and port.
    return f"{settings.SITE_URL}{urlsplit(url).path}"


class InvitationAdapter(DefaultAccountAdapter):
    """Allows sign-up only to a session with an open invitation."""

    def open_invitation(self, request: HttpRequest) -> Invitation | None:
        """Return the invitation of this session if it can still be accepted."""
        invitation = (
            Invitation.objects.select_related("app_group")
            .filter(pk=request.session.get(INVITATION, 0))
            .first()
        )
        if invitation is None or not invitations.is_open(invitation, now=timezone.now()):
            return None
        return invitation

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return self.open_invitation(request) is not None

    def set_password(self, user: Any, password: str) -> None:
        """Set a new password, and cancel changes of the address that began with the old one."""
        super().set_password(user, password)
        addresses.end_pending_changes(user)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """Return a link that a change of the password invalidates, unlike allauth's own."""
        key = addresses.confirmation_key(emailconfirmation.email_address)
        return under_site_url(reverse("account_confirm_email", args=[key]))

    def send_confirmation_mail(
        self, request: HttpRequest, emailconfirmation: Any, signup: bool
    ) -> None:
        """Send the mail with our key only: allauth would put its own key beside the link."""
        confirmation = _OurConfirmation(emailconfirmation.email_address)
        super().send_confirmation_mail(request, confirmation, signup)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send a mail; if the server refuses, log it without the address."""
        # The page does not report it: the report would reveal which addresses have an account.
        links = {name: under_site_url(text) for name, text in context.items() if _is_link(text)}
        try:
            super().send_mail(
                template_prefix, email, context | links | {"current_site": addresses.Site()}
            )
        except Exception as error:  # noqa: BLE001 - a backend of the operator may raise anything
            logger.error(
                "A mail could not be sent (%s): %s.", type(error).__name__, template_prefix
            )

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # Attempts are counted by account alone. allauth adds the host to the key, and a caller who
        # varies its port would get a new count of attempts each time.
        login: str = credentials.get("email", credentials.get("username", ""))
        return login.strip().lower()


class _OurConfirmation(EmailConfirmationHMAC):
    """A confirmation with our key instead of allauth's."""

    @property
    def key(self) -> str:
        return addresses.confirmation_key(self.email_address)


def _is_link(text: object) -> bool:
    return isinstance(text, str) and text.startswith(("http://", "https://"))
