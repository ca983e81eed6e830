"""System checks: would this installation start, keep its secrets and keep its data?"""

import os
import re
import zlib
from collections.abc import Sequence
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.http.request import split_domain_port, validate_host
from django.utils.module_loading import import_string

from audiencesync.core import addresses, crypto
from audiencesync.core.database import sqlite
from audiencesync.core.demo_accounts import EMAILS

Apps = Sequence[AppConfig] | None
SHORTEST_KEY = 50
SHORTEST_PACKED = (
    38  # bytes of a packed key; 50 random digits, the worst that is random, need 42 or more
)
FEWEST_BYTES = 18  # different ones in 32 random bytes: 30 is usual
_PLACEHOLDER = re.compile(
    r"\Adjango-insecure-|change.?me|random.?(?:string|characters)", re.IGNORECASE
)
_SUFFIX = re.compile(
    r"\.(?:co|com|org|net|ac|gov|edu)\.[a-z]{2}"
)  # under which anybody may register a name
_NEW_SECRET = "Make one: python3 -c 'import secrets; print(secrets.token_hex(32))'"  # noqa: S105  # a command


def secret_key(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """SECRET_KEY is set, and long enough outside DEBUG."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if not key:
        return [
            checks.Error(
                "SECRET_KEY is not set.",
                hint="Set it to 50 or more random characters.",
                id="audiencesync.E001",
            )
        ]
    if settings.DEBUG:
        return []
    if len(key) < SHORTEST_KEY:
        return [
            checks.Error(
                f"SECRET_KEY is shorter than {SHORTEST_KEY} characters.", id="audiencesync.E002"
            )
        ]
    named = [
        ("SECRET_KEY", key),
        *(("SECRET_KEY_FALLBACKS", old) for old in settings.SECRET_KEY_FALLBACKS),
    ]
    return [
        checks.Error(
            f"{name} repeats itself and can be guessed.", hint=_NEW_SECRET, id="audiencesync.E007"
        )
        for name, one in named
        if len(zlib.compress(one.encode(), 9)) < SHORTEST_PACKED or _PLACEHOLDER.search(one)
    ]


def token_keys(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """TOKEN_KEYS seals and opens."""
    hint = "Make a key: python -c 'from audiencesync.core.crypto import new_key; print(new_key(\"a\"))'"
    try:
        works = (
            crypto.open_sealed(crypto.seal("probe", context="check"), context="check") == "probe"
        )
    except (ImproperlyConfigured, crypto.CannotOpen) as error:
        return [checks.Error(str(error), hint=hint, id="audiencesync.E003")]
    if any(len(set(key)) < FEWEST_BYTES for key in crypto.ring()):
        return [
            checks.Error(
                "TOKEN_KEYS holds a key that is not random.", hint=hint, id="audiencesync.E008"
            )
        ]
    return (
        []
        if works
        else [checks.Error("What TOKEN_KEYS seals does not open again.", id="audiencesync.E004")]
    )


def hosts(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """The host of SITE_URL is allowed. SITE_URL is what partners send people back to."""
    parts = urlsplit(settings.SITE_URL)
    name, _port = split_domain_port(parts.netloc)
    if parts.scheme not in ("http", "https") or not name:
        return [
            checks.Error(
                "SITE_URL must look like https://sync.example.org.", id="audiencesync.E005"
            )
        ]
    if settings.DEBUG or validate_host(name, settings.ALLOWED_HOSTS):
        return []
    return [
        checks.Error(
            f"ALLOWED_HOSTS does not contain {name}, the host of SITE_URL.", id="audiencesync.E006"
        )
    ]


def _matches_anything(pattern: str) -> bool:
    """Whether a name of ALLOWED_HOSTS lets every host in, or all of a top-level domain."""
    bare = pattern.strip().lower()
    return (
        bare == "*"
        or bool(_SUFFIX.fullmatch(bare))
        or (bare.startswith(".") and "." not in bare.strip(".") and bare != ".localhost")
    )


def openness(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Outside the demo nothing is open that is convenient on one's own machine only."""
    name, _port = split_domain_port(urlsplit(settings.SITE_URL).netloc)
    is_public = bool(name) and not addresses.is_local(name)
    if settings.DEMO:
        text = f"DEMO opens what is convenient on one's own machine: it must be off where SITE_URL is public ({name})."
        return [checks.Error(text, id="audiencesync.E014")] if is_public else []
    trusted = [urlsplit(origin).netloc for origin in settings.CSRF_TRUSTED_ORIGINS]
    found = {
        "ALLOWED_HOSTS must name hosts: a wildcard lets others choose where mailed links lead.": any(
            _matches_anything(one) for one in settings.ALLOWED_HOSTS
        ),
        "CSRF_TRUSTED_ORIGINS must name hosts, not a wildcard alone.": any(
            _matches_anything(one.removeprefix("*") or "*")
            for one in trusted
            if one.startswith("*")
        ),
        f"DEBUG shows settings and data to visitors: it must be off where SITE_URL is public ({name}).": is_public
        and settings.DEBUG,
        f"SITE_URL must begin with https:// for a public name ({name}): passwords would travel readable.": is_public
        and not settings.HTTPS,
    }
    ids = ("audiencesync.E009", "audiencesync.E010", "audiencesync.E011", "audiencesync.E012")
    return [
        checks.Error(text, id=number)
        for number, (text, is_so) in zip(ids, found.items(), strict=True)
        if is_so
    ]


def demo_users(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Nobody signs in with an account of the demo outside the demo. Without a database or its tables nobody does."""
    if settings.DEMO or (
        connection.vendor == "sqlite" and not _exists(connection.settings_dict["NAME"])
    ):
        return []
    try:
        found = get_user_model().objects.filter(email__in=EMAILS, is_active=True).exists()
    except DatabaseError:
        return []
    finally:
        if not connection.in_atomic_block:
            connection.close()
    if not found:
        return []
    hint = "Delete them: manage.py demo --remove-accounts. The people and app groups stay."
    return [
        checks.Error(
            "There are accounts of the demo, and DEMO is off.", hint=hint, id="audiencesync.E013"
        )
    ]


def _exists(name: object) -> bool:
    """Whether the file of SQLite is there: to look must not make it. A name such as file::memory: counts as there."""
    return str(name).startswith((":", "file:")) or Path(str(name)).exists()


def sqlite_version(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """SQLite is new enough for the write-ahead log, or the slower rollback journal is used."""
    if (
        not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
        or sqlite.journal_mode() == "WAL"
    ):
        return []
    found, wanted = (
        ".".join(str(part) for part in version) for version in (sqlite.version(), sqlite.SAFE_WAL)
    )
    return [
        checks.Warning(
            f"SQLite {found} is older than {wanted}: the rollback journal is used instead of WAL, which is slower.",
            hint="Install the package pysqlite3, or use PostgreSQL (DATABASE_URL).",
            id="audiencesync.W001",
        )
    ]


def tiktok_app(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """The TikTok app is named."""
    missing = [
        name for name in ("TIKTOK_APP_ID", "TIKTOK_APP_SECRET") if not getattr(settings, name)
    ]
    if not missing:
        return []
    hint = "Create an app in TikTok's developer portal; without it nobody can connect TikTok."
    return [checks.Warning(f"{' and '.join(missing)} not set.", hint=hint, id="audiencesync.W002")]


def mail(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Mails have a server to leave by."""
    if settings.HAS_MAIL:
        return []
    hint = "Set it, then try: manage.py sendtestemail you@example.org. Until then no alert and no password reset arrives."
    return [checks.Warning("EMAIL_HOST not set.", hint=hint, id="audiencesync.W003")]


def backends(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """What is named by its Python path exists, and the sender of mails is one address."""
    found: list[checks.CheckMessage] = []
    try:
        get_connection()
    except Exception:  # noqa: BLE001 - another's class may raise anything
        found.append(
            checks.Error("EMAIL_BACKEND names nothing that sends mails.", id="audiencesync.E015")
        )
    try:
        import_string(settings.STORAGES["staticfiles"]["BACKEND"])
    except Exception:  # noqa: BLE001 - as above
        found.append(
            checks.Error(
                "STATICFILES_BACKEND names nothing that stores files.", id="audiencesync.E016"
            )
        )
    sender = settings.DEFAULT_FROM_EMAIL
    if not sender.isprintable() or not re.fullmatch(r"[^\s@]+@[^\s@]+", parseaddr(sender)[1]):
        text = "DEFAULT_FROM_EMAIL must look like AudienceSync <sync@example.org>."
        found.append(checks.Error(text, id="audiencesync.E017"))
    return found


def ledger(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """The ledger of erasures can be written: without it a restored backup brings erased people back."""
    file = Path(settings.ERASURE_LEDGER)
    folder = file.parent
    if file.is_dir():
        return [checks.Error("ERASURE_LEDGER is a folder, not a file.", id="audiencesync.E018")]
    if file.exists() and not os.access(file, os.W_OK):
        return [
            checks.Warning(
                f"ERASURE_LEDGER: the file {file} cannot be written.", id="audiencesync.W004"
            )
        ]
    if os.access(folder, os.W_OK | os.X_OK):
        return []
    return [
        checks.Warning(
            f"ERASURE_LEDGER: the folder {folder} cannot be written.", id="audiencesync.W004"
        )
    ]


def staff_second_factor(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Staff read the numbers of all groups, and archive groups: a password alone is little."""
    if settings.DEMO or settings.STAFF_REQUIRE_SECOND_FACTOR:
        return []
    hint = "Set STAFF_REQUIRE_SECOND_FACTOR=1."
    return [
        checks.Warning(
            "Pages of staff open with a password alone.", hint=hint, id="audiencesync.W005"
        )
    ]


def register() -> None:
    """Tell Django; called when the groups app is ready."""
    refusals = (secret_key, token_keys, hosts, openness, demo_users)
    for check in (*refusals, backends, sqlite_version, tiktok_app, mail, ledger):
        checks.register(check, checks.Tags.security)
    checks.register(staff_second_factor, checks.Tags.security, deploy=True)
