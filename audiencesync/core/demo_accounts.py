"""Who signs in to the demo. Their password is random per installation and lies beside its data."""

import os
import secrets
from pathlib import Path

ADMIN = "demo@example.org"
EMAILS = (ADMIN, "marketer@example.org", "viewer@example.org")
PASSWORD_FILE = "demo.password"  # noqa: S105  # the name of a file in VAR_DIR


def password(var: Path) -> tuple[str, bool]:
    """The password of this installation's demo, and whether it was made just now. The file is for its owner only."""
    file = var / PASSWORD_FILE
    try:
        out = os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")
    except FileExistsError:
        return file.read_text().strip(), False
    made = "-".join(secrets.token_hex(3) for _ in range(3))  # 72 bits, and still typed by hand
    with out:
        out.write(f"{made}\n")
    return made, True
