"""Mails that a visitor asks for who is not signed in. Within the request only a row is written, whatever was typed.

The engine looks whether there is such an account, and makes the link as it sends: neither the answer nor its time tells
who has an account, and no link that opens an account lies in the database.
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
from audiencesync.groups.letter_model import Letter
from audiencesync.groups.models import User

PASSWORD_RESET = "password-reset"  # noqa: S105 - the name of a mail


def ask(kind: str, address: str, *, now: datetime) -> None:
    """One row, without a look at who has an account."""
    language = translation.get_language() or settings.LANGUAGE_CODE
    key = f"{kind}:{secrets.token_hex(16)}"
    Letter.objects.create(
        key=key,
        kind=kind,
        address=address.strip().lower(),
        language=language,
        created_at=now,
        due_at=now,
    )


def asked(kind: str, address: str) -> QuerySet[Letter]:
    """What waits for this address."""
    rows: QuerySet[Letter] = Letter.objects.filter(kind=kind, address=address.strip().lower())
    return rows


def message(letter: Letter) -> EmailMessage | None:
    """The mail in the language of its reader; None if no account has the address."""
    user = User.objects.filter(email=letter.address.lower(), is_active=True).first()
    if user is None:
        return None
    with translation.override(user.language or letter.language):
        return _WRITERS[letter.kind](user)


def _password_reset(user: User) -> EmailMessage:
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    link = reverse(
        "account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": token}
    )
    words: dict[str, Any] = {
        "user": user,
        "password_reset_url": f"{settings.SITE_URL}{link}",
        "current_site": addresses.Site(),
    }
    mail: EmailMessage = get_adapter().render_mail(
        "account/email/password_reset_key", user.email, words
    )
    return mail


_WRITERS: dict[str, Callable[[User], EmailMessage]] = {PASSWORD_RESET: _password_reset}
