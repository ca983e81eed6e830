"""What is planted: unique secrets and personal data; and the search for them in whatever a run leaves behind."""

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
class Birds:
    """name -> value. Secrets may be found nowhere; people only where they belong: in their columns."""

    secrets: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)

    def found(self, text, *, only_secrets=False):
        """Which of them a text holds, in whatever spelling: names, never values."""
        all_of_them = self.secrets | ({} if only_secrets else self.people)
        lower = text.lower()
        return sorted(
            name
            for name, value in all_of_them.items()
            if any(form in lower for form in set(spellings(value)))
        )

    def hashes(self):
        """Of the people, those that are hashes."""
        return {name: value for name, value in self.people.items() if "hash" in name}


def spellings(value: str) -> Iterator[str]:
    """A value as an address, a log, a mail or a table may have it, in small letters."""
    yield value.lower()
    yield quote(value, safe="").lower()
    yield base64.b64encode(value.encode()).decode().rstrip("=").lower()
    if "@" in value:
        yield value.partition("@")[0].lower()  # unique, too
    if value.startswith("+"):
        yield value[3:]  # as it is dialled at home
    if len(value) == HEX_OF_A_HASH and set(value) <= set("0123456789abcdef"):
        yield base64.b64encode(bytes.fromhex(value)).decode().rstrip("=").lower()


def person():
    """E-mail, phone, device ids of somebody who does not exist."""
    return {
        "email": f"{word('person')}@example.org",
        "phone": f"+491511{secrets.randbelow(10**7):07}",
        "idfa": str(uuid.uuid4()).upper(),
        "gaid": str(uuid.uuid4()),
    }


def keys():
    """Secrets of the installation by the name of their setting."""
    return {
        "SECRET_KEY": word("secret-key") + secrets.token_hex(16),
        "TIKTOK_APP_SECRET": word("app-secret"),
        "METRICS_TOKEN": word("metrics"),
    }
