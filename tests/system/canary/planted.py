"""Unique secrets and personal data to plant, and the search for them in texts."""

import base64
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

HEX_OF_A_HASH = 64


def word(name):
    return f"canary-{name}-{secrets.token_hex(12)}"


@dataclass
class Planted:
    """Planted values by name."""

    secrets: dict[str, str] = field(default_factory=dict)  # may be found nowhere
    people: dict[str, str] = field(default_factory=dict)  # may be found only in their columns

    def found(self, text, *, only_secrets=False):
        """Return the names, never the values, of the planted values that a text contains."""
        wanted = self.secrets | ({} if only_secrets else self.people)
        lower = text.lower()
        return sorted(
            name
            for name, value in wanted.items()
            if any(form in lower for form in set(spellings(value)))
        )

    def hashes(self):
        """Return the hashes among the personal data."""
        return {name: value for name, value in self.people.items() if "hash" in name}


def spellings(value: str) -> Iterator[str]:
    """Yield a value as a URL, a log, a mail or a table may spell it, in lower case."""
    yield value.lower()
    yield quote(value, safe="").lower()
    yield base64.b64encode(value.encode()).decode().rstrip("=").lower()
    if "@" in value:
        yield value.partition("@")[0].lower()  # the local part is unique too
    if value.startswith("+"):
        yield value[3:]  # without the country code
    if len(value) == HEX_OF_A_HASH and set(value) <= set("0123456789abcdef"):
        yield base64.b64encode(bytes.fromhex(value)).decode().rstrip("=").lower()


def person():
    """Return e-mail, phone and device ids of a person who does not exist."""
    return {
        "email": f"{word('person')}@example.org",
        "phone": f"+491511{secrets.randbelow(10**7):07}",
        "idfa": str(uuid.uuid4()).upper(),
        "gaid": str(uuid.uuid4()),
    }


def keys():
    """Return secrets of an installation by the names of their settings."""
    return {
        "SECRET_KEY": word("secret-key") + secrets.token_hex(16),
        "TIKTOK_APP_SECRET": word("app-secret"),
        "METRICS_TOKEN": word("metrics"),
    }
