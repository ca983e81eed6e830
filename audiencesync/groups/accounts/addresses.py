"""What proves that an account is its owner's: the address in it, and the links that confirm one.

`User.email` is the address that signs in. allauth keeps beside it rows of EmailAddress: the same address, confirmed or
not, and at most one more that is waited for. A row that waits counts for nothing: it signs in nobody, blocks nobody.
"""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from allauth.account import app_settings
from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.db.models import QuerySet
from django.utils.crypto import constant_time_compare, salted_hmac

from audiencesync.groups.models import User

_SALT = "audiencesync.groups.accounts.addresses"


class Site:
    """What allauth's mails say of this installation; never what a request says of itself."""

    name: ClassVar[str] = "AudienceSync"

    @property
    def domain(self) -> str:
        """Host and port of SITE_URL."""
        return str(urlsplit(settings.SITE_URL).netloc)


def is_proven(user: User) -> bool:
    """Whether a mail has proved that the address is this user's. Who runs the installation vouches for the others."""
    return not EmailAddress.objects.filter(user=user, email=user.email, verified=False).exists()


def prove(user: User) -> None:
    """A mail to the address was answered by its owner."""
    EmailAddress.objects.filter(email=user.email).exclude(user=user).delete()
    address = EmailAddress.objects.filter(user=user, email=user.email).first()
    address = address or EmailAddress(user=user, email=user.email.lower())
    EmailAddress.objects.filter(user=user, primary=True).exclude(pk=address.pk).delete()
    address.verified = address.primary = True
    address.save()


def waiting(user: User) -> QuerySet[EmailAddress]:
    """The address that this user wants to change to."""
    rows: QuerySet[EmailAddress] = EmailAddress.objects.filter(user=user, verified=False)
    return rows.exclude(email=user.email)


def end_pending_changes(user: User) -> None:
    """Changes of the address that began before this end; their links do not work any more."""
    waiting(user).delete()


def free(email: str) -> None:
    """Who only asked for an address does not keep it from who proves that it is theirs."""
    EmailAddress.objects.filter(email=email.lower(), verified=False).exclude(
        user__email=email.lower()
    ).delete()


def confirmation_key(address: EmailAddress) -> str:
    """What a mailed link carries: good for one row, and until the password or the address of the account changes."""
    return signing.dumps([address.pk, _state(address)], salt=_SALT)


def find(key: str) -> EmailAddress | None:
    """The unconfirmed address of a link, unless it is too old or the account has changed since."""
    try:
        pk, state = signing.loads(
            key, salt=_SALT, max_age=86400 * app_settings.EMAIL_CONFIRMATION_EXPIRE_DAYS
        )
    except (signing.BadSignature, ValueError, TypeError):
        return None
    address = EmailAddress.objects.select_related("user").filter(pk=pk, verified=False).first()
    return address if address and constant_time_compare(state, _state(address)) else None


def _state(address: EmailAddress) -> str:
    user = address.user
    return salted_hmac(
        _SALT, f"{user.password}|{user.email}|{address.email}", algorithm="sha256"
    ).hexdigest()
