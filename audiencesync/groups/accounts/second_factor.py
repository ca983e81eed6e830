"""Encryption of second factors in the database, as of partners' tokens."""

import logging

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto

logger = logging.getLogger(__name__)
CONTEXT = "second-factor"
SEALED_FIELDS = ("secret", "seed")  # of Authenticator.data


class SealingAdapter(DefaultMFAAdapter):
    """Encrypts the secrets of authenticator apps and recovery codes with TOKEN_KEYS."""

    @sensitive_variables("text")
    def encrypt(self, text: str) -> str:
        return crypto.seal(text, context=CONTEXT)

    @sensitive_variables()
    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret; if it cannot be decrypted, a random one that fits no code."""
        try:
            opened: str = crypto.open_sealed(encrypted_text, context=CONTEXT)
        except crypto.CannotOpen:
            logger.error("A second factor does not open with TOKEN_KEYS: its codes are refused.")
            return str(generate_totp_secret())
        return opened


@sensitive_variables()
def resealed(data: dict[str, object]) -> dict[str, object] | None:
    """Return ``data`` of an authenticator sealed with the first key, or None if it already is.

    Raises CannotOpen.
    """
    stale = [
        name for name in SEALED_FIELDS if name in data and not crypto.is_current(str(data[name]))
    ]
    if not stale:
        return None
    opened = {name: crypto.open_sealed(str(data[name]), context=CONTEXT) for name in stale}
    return data | {name: crypto.seal(text, context=CONTEXT) for name, text in opened.items()}
