"""Confirmation of e-mail addresses.

`User.email` is the address for sign-in. Beside it allauth keeps EmailAddress rows: the same
address, confirmed or not, and at most one pending address that the user wants to change to.
A pending address allows no sign-in and does not block other accounts.
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
    """Name and domain in allauth's mails, from our settings instead of the request."""

    name: ClassVar[str] = "AudienceSync"

    @property
    def domain(self) -> str:
        """Host and port of SITE_URL."""
        return str(urlsplit(settings.SITE_URL).netloc)


def is_confirmed(user: User) -> bool:
    """Return whether the address of the account counts as confirmed."""
    # An account without such a row was created by the operator, who vouches for it.
    return not EmailAddress.objects.filter(user=user, email=user.email, verified=False).exists()


def confirm(user: User) -> None:
    """Mark the address of an account as confirmed, because its owner opened a mailed link."""
    # Conflicting rows are deleted first: allauth's constraints allow each address one confirmed
    # row, and each user one primary row.
    EmailAddress.objects.filter(email=user.email).exclude(user=user).delete()
    address = EmailAddress.objects.filter(user=user, email=user.email).first()
    address = address or EmailAddress(user=user, email=user.email.lower())
    EmailAddress.objects.filter(user=user, primary=True).exclude(pk=address.pk).delete()
    address.verified = address.primary = True
    address.save()


def pending_addresses(user: User) -> QuerySet[EmailAddress]:
    """Return the row of the address that this user wants to change to, if there is one."""
    rows: QuerySet[EmailAddress] = EmailAddress.objects.filter(user=user, verified=False)
    return rows.exclude(email=user.email)


def end_pending_changes(user: User) -> None:
    """Cancel pending changes of the address; their links stop working."""
    pending_addresses(user).delete()


def end_changes_of_others_to(email: str) -> None:
    """Delete pending changes of other users to an address that its owner has confirmed."""
    EmailAddress.objects.filter(email=email.lower(), verified=False).exclude(
        user__email=email.lower()
    ).delete()


def confirmation_key(address: EmailAddress) -> str:
    """Return the key of a mailed link: valid until the account's password or address changes."""
    return signing.dumps([address.pk, _account_state(address)], salt=_SALT)


def find(key: str) -> EmailAddress | None:
    """Return the unconfirmed address of a link, or None if it is too old or the account changed."""
    try:
        pk, state = signing.loads(
            key, salt=_SALT, max_age=86400 * app_settings.EMAIL_CONFIRMATION_EXPIRE_DAYS
        )
    except (signing.BadSignature, ValueError, TypeError):
        return None
    address = EmailAddress.objects.select_related("user").filter(pk=pk, verified=False).first()
    is_valid = address and constant_time_compare(state, _account_state(address))
    return address if is_valid else None


def _account_state(address: EmailAddress) -> str:
    """Return a keyed hash of what makes the link invalid when it changes."""
    user = address.user
    return salted_hmac(
        _SALT, f"{user.password}|{user.email}|{address.email}", algorithm="sha256"
    ).hexdigest()
