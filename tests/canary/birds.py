"""What is planted: unique secrets and personal data; and the search for them in whatever a run leaves behind."""

import secrets
import uuid
from dataclasses import dataclass, field


def word(name):
    return f"canary-{name}-{secrets.token_hex(12)}"


@dataclass
class Birds:
    """name -> value. Secrets may be found nowhere; people only where they belong: in their table."""

    secrets: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)

    def found(self, text, *, only_secrets=False):
        """Which of them a text holds: names, never values."""
        all_of_them = self.secrets | ({} if only_secrets else self.people)
        lower = text.lower()
        return sorted(name for name, value in all_of_them.items() if value.lower() in lower)


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
