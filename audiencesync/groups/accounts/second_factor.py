"""Second factors are encrypted in the database, with the same keys as the tokens of partners.

To seal is to encrypt with the first of these keys (core/crypto.py)."""

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
            secret: str = crypto.open_sealed(encrypted_text, context=CONTEXT)
        except crypto.CannotOpen:
            logger.error("A second factor does not open with TOKEN_KEYS: its codes are refused.")
            return str(generate_totp_secret())
        return secret


@sensitive_variables()
def reseal(data: dict[str, object]) -> dict[str, object] | None:
    """Return ``data`` of an authenticator sealed with the first key; None if it is already.

    Raises CannotOpen.
    """
    stale_fields = [
        name for name in SEALED_FIELDS if name in data and not crypto.is_current(str(data[name]))
    ]
    if not stale_fields:
        return None
    secrets = {name: crypto.open_sealed(str(data[name]), context=CONTEXT) for name in stale_fields}
    return data | {name: crypto.seal(text, context=CONTEXT) for name, text in secrets.items()}
