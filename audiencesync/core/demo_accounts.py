"""The accounts of the demo. Their password is random per installation and stored in VAR_DIR."""

import os
import secrets
from pathlib import Path

ADMIN = "demo@example.org"
EMAILS = (ADMIN, "marketer@example.org", "viewer@example.org")
PASSWORD_FILE = "demo.password"  # noqa: S105  # the name of a file in VAR_DIR


def password(var: Path) -> tuple[str, bool]:
    """Return the password of the demo accounts, and whether this call created it (a file with mode
    0600).
    """
    file = var / PASSWORD_FILE
    try:
        out = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    except FileExistsError:
        return file.read_text().strip(), False
    created = "-".join(secrets.token_hex(3) for _ in range(3))  # 72 bits, short enough to type
    with out:
        out.write(f"{created}\n")
    return created, True
