"""Encryption of stored secrets: AES-256-GCM with the key ring TOKEN_KEYS, apart from SECRET_KEY.

To seal is to encrypt, to open is to decrypt. The context is authenticated with the text: a secret
that is copied to another row or purpose does not open there.
"""

import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.views.decorators.debug import sensitive_variables


class CannotOpen(Exception):
    """The sealed text, its context and the key ring do not match. Carries no part of the secret."""


@sensitive_variables()
def _ring() -> dict[str, bytes]:
    """Return {key id: 32 bytes} in the order of the setting; the first key seals, all open.

    Raises ImproperlyConfigured.
    """
    ring: dict[str, bytes] = {}
    for entry in settings.TOKEN_KEYS:
        key_id, _, encoded = entry.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not key_id.isalnum() or len(key) != 32:
            raise ImproperlyConfigured("TOKEN_KEYS: each entry must be <id>:<base64 of 32 bytes>.")
        ring[key_id] = key
    if not ring:
        raise ImproperlyConfigured(
            "TOKEN_KEYS is empty: set at least one <id>:<base64 of 32 bytes>."
        )
    return ring


def raw_keys() -> list[bytes]:
    """Return the keys of TOKEN_KEYS, for the check of their quality.

    Raises ImproperlyConfigured.
    """
    return list(_ring().values())


@sensitive_variables("secret", "key")
def seal(secret: str, *, context: str) -> str:
    """Encrypt ``secret`` as ``v1.<key id>.<nonce>.<ciphertext>``; it opens only with the same
    ``context``.
    """
    key_id, key = next(iter(_ring().items()))
    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, secret.encode(), context.encode())
    return ".".join(["v1", key_id, _encode(nonce), _encode(sealed)])


@sensitive_variables("key", "ring")
def open_sealed(sealed: str, *, context: str) -> str:
    """Decrypt the result of ``seal``. Raises CannotOpen if key, context or text is wrong."""
    ring = _ring()
    try:
        version, key_id, nonce, text = sealed.split(".")
        key = ring[key_id]
        if version != "v1":
            raise ValueError
        return AESGCM(key).decrypt(_decode(nonce), _decode(text), context.encode()).decode()
    except (ValueError, KeyError, InvalidTag):
        raise CannotOpen(
            "A sealed secret could not be opened with the keys in TOKEN_KEYS."
        ) from None


def is_current(sealed: str) -> bool:
    """Return whether ``sealed`` was encrypted with the first key of the ring."""
    return sealed.split(".")[1:2] == [next(iter(_ring()))]


def new_key(key_id: str) -> str:
    """Return a new random entry for TOKEN_KEYS."""
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode())
