"""Sign-up only by invitation; mails with links of this installation only; mails that a server refuses."""

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


def ours(url: str) -> str:
    """The same page under SITE_URL: a request may name any host and port that is allowed, a mail must not."""
    return f"{settings.SITE_URL}{urlsplit(url).path}"


class InvitationAdapter(DefaultAccountAdapter):
    """Opens sign-up only to a session that holds an open invitation."""

    def open_invitation(self, request: HttpRequest) -> Invitation | None:
        """The invitation this visitor came with, if it can still be accepted."""
        found = (
            Invitation.objects.select_related("app_group")
            .filter(pk=request.session.get(INVITATION, 0))
            .first()
        )
        return found if found and invitations.is_open(found, now=timezone.now()) else None

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Whether this visitor came through an open invitation."""
        return self.open_invitation(request) is not None

    def set_password(self, user: Any, password: str) -> None:
        """A new password, by change or by reset, ends what may have been begun with the old one."""
        super().set_password(user, password)
        addresses.end_pending_changes(user)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """A link that ends with the password (accounts.find), other than allauth's own."""
        key = addresses.confirmation_key(emailconfirmation.email_address)
        return ours(reverse("account_confirm_email", args=[key]))

    def send_confirmation_mail(
        self, request: HttpRequest, emailconfirmation: Any, signup: bool
    ) -> None:
        """allauth puts its own key beside the link, too; nobody shall find a use for it."""
        super().send_confirmation_mail(request, _Keyless(emailconfirmation.email_address), signup)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """A refused mail is logged without its address. The page says the same, or it would tell who has an account."""
        links = {name: ours(text) for name, text in context.items() if _is_link(text)}
        try:
            super().send_mail(
                template_prefix, email, context | links | {"current_site": addresses.Site()}
            )
        except Exception as error:  # noqa: BLE001 - a backend of the operator may raise anything
            logger.error(
                "A mail could not be sent (%s): %s.", type(error).__name__, template_prefix
            )

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Attempts count by the account alone: a caller chooses the port in the name of the host."""
        login: str = credentials.get("email", credentials.get("username", ""))
        return login.strip().lower()


class _Keyless(EmailConfirmationHMAC):
    """A confirmation whose only key is that of our link."""

    @property
    def key(self) -> str:
        """As in the link."""
        return addresses.confirmation_key(self.email_address)


def _is_link(text: object) -> bool:
    return isinstance(text, str) and text.startswith(("http://", "https://"))
