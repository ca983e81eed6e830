"""Run Django's deployment checks on production settings, and look for missing migrations."""

import base64
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def production(var: str) -> dict[str, str]:
    """Return the environment that docs/settings.md requires in production, with random keys."""
    return dict(os.environ) | {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "TOKEN_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "SITE_URL": "https://audiences.example.org",
        "ALLOWED_HOSTS": "audiences.example.org",
        "BEHIND_PROXY": "1",
        "EMAIL_HOST": "mail.example.org",
        "TIKTOK_APP_ID": "7000000000000000001",
        "TIKTOK_APP_SECRET": "not-a-secret",
        "STAFF_REQUIRE_SECOND_FACTOR": "1",
        "DATABASE_URL": f"sqlite:///{var}/db.sqlite3",
        "VAR_DIR": var,
    }


def main() -> int:
    """Run both commands; return 0 if both succeed."""
    checks = (
        ["check", "--deploy", "--fail-level", "WARNING"],
        ["makemigrations", "--check", "--dry-run"],
    )
    with tempfile.TemporaryDirectory() as var:
        env = production(var)
        codes = [
            subprocess.call([sys.executable, "manage.py", *check], cwd=ROOT, env=env)
            for check in checks
        ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
