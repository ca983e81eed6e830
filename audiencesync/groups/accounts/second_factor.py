"""Second factors lie in the database sealed, as the tokens of partners do."""

import logging

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto

logger = logging.getLogger(__name__)
CONTEXT = "second-factor"
SEALED_FIELDS = ("secret", "seed")  # of Authenticator.data


class SealingAdapter(DefaultMFAAdapter):
    """Seals the secret of an authenticator app and the seed of recovery codes with TOKEN_KEYS."""

    @sensitive_variables("text")
    def encrypt(self, text: str) -> str:
        """What is stored."""
        return crypto.seal(text, context=CONTEXT)

    @sensitive_variables()
    def decrypt(self, encrypted_text: str) -> str:
        """What was sealed. If it does not open, a secret that fits no code: the answer is "wrong", never a way in."""
        try:
            opened: str = crypto.open_sealed(encrypted_text, context=CONTEXT)
        except crypto.CannotOpen:
            logger.error("A second factor does not open with TOKEN_KEYS: its codes are refused.")
            return str(generate_totp_secret())
        return opened


@sensitive_variables()
def resealed(data: dict[str, object]) -> dict[str, object] | None:
    """``data`` of an authenticator under the first key; None if it is that already. Raises CannotOpen."""
    stale = [
        name for name in SEALED_FIELDS if name in data and not crypto.is_current(str(data[name]))
    ]
    if not stale:
        return None
    opened = {name: crypto.open_sealed(str(data[name]), context=CONTEXT) for name in stale}
    return data | {name: crypto.seal(text, context=CONTEXT) for name, text in opened.items()}
