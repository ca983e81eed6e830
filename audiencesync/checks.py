"""System checks: would this installation start, keep its secrets and keep its data?"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.http.request import split_domain_port, validate_host

from audiencesync import crypto, sqlite

Apps = Sequence[AppConfig] | None
SHORTEST_KEY = 50


def secret_key(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """SECRET_KEY is set, and long enough outside DEBUG."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if not key:
        return [
            checks.Error(
                "SECRET_KEY is not set.", hint="Set it to 50 or more random characters.", id="audiencesync.E001"
            )
        ]
    if not settings.DEBUG and len(key) < SHORTEST_KEY:
        return [checks.Error(f"SECRET_KEY is shorter than {SHORTEST_KEY} characters.", id="audiencesync.E002")]
    return []


def token_keys(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """TOKEN_KEYS seals and opens."""
    try:
        works = crypto.open_sealed(crypto.seal("probe", context="check"), context="check") == "probe"
    except (ImproperlyConfigured, crypto.CannotOpen) as error:
        hint = "Make a key: python -c 'from audiencesync.crypto import new_key; print(new_key(\"a\"))'"
        return [checks.Error(str(error), hint=hint, id="audiencesync.E003")]
    return [] if works else [checks.Error("What TOKEN_KEYS seals does not open again.", id="audiencesync.E004")]


def hosts(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """The host of SITE_URL is allowed. SITE_URL is what partners send people back to."""
    parts = urlsplit(settings.SITE_URL)
    name, _port = split_domain_port(parts.netloc)
    if parts.scheme not in ("http", "https") or not name:
        return [checks.Error("SITE_URL must look like https://sync.example.org.", id="audiencesync.E005")]
    if settings.DEBUG or validate_host(name, settings.ALLOWED_HOSTS):
        return []
    return [checks.Error(f"ALLOWED_HOSTS does not contain {name}, the host of SITE_URL.", id="audiencesync.E006")]


def sqlite_version(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """SQLite is new enough for the write-ahead log, or the slower rollback journal is used."""
    if not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3") or sqlite.journal_mode() == "WAL":
        return []
    found, wanted = (".".join(str(part) for part in version) for version in (sqlite.version(), sqlite.SAFE_WAL))
    return [
        checks.Warning(
            f"SQLite {found} is older than {wanted}: the rollback journal is used instead of WAL, which is slower.",
            hint="Install the package pysqlite3, or use PostgreSQL (DATABASE_URL).",
            id="audiencesync.W001",
        )
    ]


def tiktok_app(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """The TikTok app is named."""
    missing = [name for name in ("TIKTOK_APP_ID", "TIKTOK_APP_SECRET") if not getattr(settings, name)]
    if not missing:
        return []
    hint = "Create an app in TikTok's developer portal; without it nobody can connect TikTok."
    return [checks.Warning(f"{' and '.join(missing)} not set.", hint=hint, id="audiencesync.W002")]


def mail(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Mails have a server to leave by."""
    if settings.HAS_MAIL:
        return []
    hint = (
        "Set it, then try: manage.py sendtestemail you@example.org. Until then no alert and no password reset arrives."
    )
    return [checks.Warning("EMAIL_HOST not set.", hint=hint, id="audiencesync.W003")]


def ledger(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """The ledger of erasures can be written: without it a restored backup brings erased people back."""
    folder = Path(settings.ERASURE_LEDGER).parent
    if os.access(folder, os.W_OK | os.X_OK):
        return []
    return [checks.Warning(f"ERASURE_LEDGER: the folder {folder} cannot be written.", id="audiencesync.W004")]


def register() -> None:
    """Tell Django; called when the groups app is ready."""
    for check in (secret_key, token_keys, hosts, sqlite_version, tiktok_app, mail, ledger):
        checks.register(check, checks.Tags.security)
