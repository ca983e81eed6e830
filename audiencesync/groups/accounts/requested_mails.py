"""Mails that a visitor requests without signing in, such as a password reset.

The request only writes a row, whatever address was typed. The engine looks up the account and
creates the link when it sends the mail. So neither the response nor its time reveals who has an
account, and the database holds no link that opens an account.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import get_adapter
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import translation

from audiencesync.groups.accounts import addresses
from audiencesync.groups.mail_model import OutgoingMail
from audiencesync.groups.models import User

PASSWORD_RESET = "password-reset"  # noqa: S105 - the name of a mail


def request(kind: str, address: str, *, now: datetime) -> None:
    """Write a row to the outbox, without reading the accounts."""
    OutgoingMail.objects.create(
        key=f"{kind}:{secrets.token_hex(16)}",
        kind=kind,
        address=address.strip().lower(),
        language=translation.get_language() or settings.LANGUAGE_CODE,
        created_at=now,
        due_at=now,
    )


def open_requests(kind: str, address: str) -> QuerySet[OutgoingMail]:
    """Return the mails of a kind that are queued for an address; a sent one has no row."""
    rows: QuerySet[OutgoingMail] = OutgoingMail.objects.filter(
        kind=kind, address=address.strip().lower()
    )
    return rows


def message(mail: OutgoingMail) -> EmailMessage | None:
    """Build the mail in the language of its recipient; None if no account has the address."""
    user = User.objects.filter(email=mail.address.lower(), is_active=True).first()
    if user is None:
        return None
    with translation.override(user.language or mail.language):
        return _WRITERS[mail.kind](user)


def _password_reset(user: User) -> EmailMessage:
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    link = reverse(
        "account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": token}
    )
    context: dict[str, Any] = {
        "user": user,
        "password_reset_url": f"{settings.SITE_URL}{link}",
        "current_site": addresses.Site(),
    }
    mail: EmailMessage = get_adapter().render_mail(
        "account/email/password_reset_key", user.email, context
    )
    return mail


_WRITERS: dict[str, Callable[[User], EmailMessage]] = {PASSWORD_RESET: _password_reset}
