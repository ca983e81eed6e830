"""System checks of the settings: secrets, hosts, backends, mail, the erasure ledger."""

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

from audiencesync.core import crypto
from audiencesync.core.database import sqlite
from audiencesync.core.demo_accounts import EMAILS
from audiencesync.core.web import addresses

Apps = Sequence[AppConfig] | None
Rule = tuple[bool, str, str]  # whether it is broken, text, id of the message
MIN_KEY_LENGTH = 50
# Bytes of a compressed SECRET_KEY. 50 random digits, the weakest random key, need 42 or more.
MIN_COMPRESSED = 38
MIN_DISTINCT_BYTES = 18  # of 32 random bytes, about 30 differ
_PLACEHOLDER = re.compile(
    r"\Adjango-insecure-|change.?me|random.?(?:string|characters)", re.IGNORECASE
)
# Domains such as .co.uk, in which anyone may register a name.
_PUBLIC_SUFFIX = re.compile(r"\.(?:co|com|org|net|ac|gov|edu)\.[a-z]{2}")
_RANDOM_TEXT_COMMAND = "python3 -c 'import secrets; print(secrets.token_hex(32))'"
_NEW_SECRET_HINT = f"Make one: {_RANDOM_TEXT_COMMAND}"


def secret_key(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Require a SECRET_KEY, long and random outside DEBUG."""
    try:
        key = settings.SECRET_KEY
    except ImproperlyConfigured:
        key = ""
    if not key:
        hint = "Set it to 50 or more random characters."
        return [checks.Error("SECRET_KEY is not set.", hint=hint, id="audiencesync.E001")]
    if settings.DEBUG:
        return []
    if len(key) < MIN_KEY_LENGTH:
        text = f"SECRET_KEY is shorter than {MIN_KEY_LENGTH} characters."
        return [checks.Error(text, id="audiencesync.E002")]
    weak_settings = ["SECRET_KEY"] if _can_be_guessed(key) else []
    weak_settings += [
        "SECRET_KEY_FALLBACKS" for old in settings.SECRET_KEY_FALLBACKS if _can_be_guessed(old)
    ]
    return [
        checks.Error(
            f"{name} repeats itself and can be guessed.",
            hint=_NEW_SECRET_HINT,
            id="audiencesync.E007",
        )
        for name in weak_settings
    ]


def _can_be_guessed(key: str) -> bool:
    packed = zlib.compress(key.encode(), 9)
    return len(packed) < MIN_COMPRESSED or bool(_PLACEHOLDER.search(key))


def token_keys(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Require TOKEN_KEYS that open what they seal, and that look random."""
    hint = (
        "Make a key: python -c "
        "'from audiencesync.core.crypto import new_key; print(new_key(\"a\"))'"
    )
    try:
        works = (
            crypto.open_sealed(crypto.seal("probe", context="check"), context="check") == "probe"
        )
    except (ImproperlyConfigured, crypto.CannotOpen) as error:
        return [checks.Error(str(error), hint=hint, id="audiencesync.E003")]
    if any(len(set(key)) < MIN_DISTINCT_BYTES for key in crypto.raw_keys()):
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
    """Require the host of SITE_URL in ALLOWED_HOSTS: partners redirect to SITE_URL."""
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
    """Return whether an entry of ALLOWED_HOSTS allows all hosts, or all of a public suffix."""
    bare = pattern.strip().lower()
    return (
        bare == "*"
        or bool(_PUBLIC_SUFFIX.fullmatch(bare))
        or (bare.startswith(".") and "." not in bare.strip(".") and bare != ".localhost")
    )


def public_exposure(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Refuse wildcards outside the demo, and DEMO, DEBUG or plain HTTP on a public host."""
    name, _port = split_domain_port(urlsplit(settings.SITE_URL).netloc)
    is_public = bool(name) and not addresses.is_local(name)
    if settings.DEMO:
        text = (
            "DEMO opens what is convenient on one's own machine: "
            f"it must be off where SITE_URL is public ({name})."
        )
        return [checks.Error(text, id="audiencesync.E014")] if is_public else []
    rules = [*_wildcard_rules(), *_public_site_rules(name, is_public=is_public)]
    return [checks.Error(text, id=check_id) for is_broken, text, check_id in rules if is_broken]


def _wildcard_rules() -> list[Rule]:
    trusted = [urlsplit(origin).netloc for origin in settings.CSRF_TRUSTED_ORIGINS]
    # "*.example.org" allows ".example.org"; "*" alone allows all.
    suffixes = [host.removeprefix("*") or "*" for host in trusted if host.startswith("*")]
    return [
        (
            any(_matches_anything(pattern) for pattern in settings.ALLOWED_HOSTS),
            "ALLOWED_HOSTS must name hosts: a wildcard lets others choose where mailed links lead.",
            "audiencesync.E009",
        ),
        (
            any(_matches_anything(suffix) for suffix in suffixes),
            "CSRF_TRUSTED_ORIGINS must name hosts, not a wildcard alone.",
            "audiencesync.E010",
        ),
    ]


def _public_site_rules(name: str, *, is_public: bool) -> list[Rule]:
    return [
        (
            is_public and settings.DEBUG,
            "DEBUG shows settings and data to visitors: "
            f"it must be off where SITE_URL is public ({name}).",
            "audiencesync.E011",
        ),
        (
            is_public and not settings.HTTPS,
            f"SITE_URL must begin with https:// for a public name ({name}): "
            "passwords would travel readable.",
            "audiencesync.E012",
        ),
    ]


def demo_users(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Refuse active demo accounts outside the demo."""
    # Without a database or its tables there are no accounts, and this check passes.
    if settings.DEMO or (
        connection.vendor == "sqlite" and not _file_exists(connection.settings_dict["NAME"])
    ):
        return []
    try:
        has_demo_users = get_user_model().objects.filter(email__in=EMAILS, is_active=True).exists()
    except DatabaseError:
        return []
    finally:
        if not connection.in_atomic_block:
            connection.close()
    if not has_demo_users:
        return []
    hint = "Delete them: manage.py demo --remove-accounts. The people and app groups stay."
    return [
        checks.Error(
            "There are accounts of the demo, and DEMO is off.", hint=hint, id="audiencesync.E013"
        )
    ]


def _file_exists(name: object) -> bool:
    """Return whether the SQLite file exists; connecting would create it."""
    # A name such as file::memory: needs no file.
    return str(name).startswith((":", "file:")) or Path(str(name)).exists()


def sqlite_version(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Warn if SQLite is too old for the write-ahead log."""
    if (
        not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
        or sqlite.journal_mode() == "WAL"
    ):
        return []
    installed, needed = (
        ".".join(str(part) for part in version) for version in (sqlite.version(), sqlite.SAFE_WAL)
    )
    return [
        checks.Warning(
            f"SQLite {installed} is older than {needed}: "
            "the rollback journal is used instead of WAL, which is slower.",
            hint="Install the package pysqlite3, or use PostgreSQL (DATABASE_URL).",
            id="audiencesync.W001",
        )
    ]


def mail(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Warn if there is no mail server."""
    if settings.HAS_MAIL:
        return []
    hint = (
        "Set it, then try: manage.py sendtestemail you@example.org. "
        "Until then no alert and no password reset arrives."
    )
    return [checks.Warning("EMAIL_HOST not set.", hint=hint, id="audiencesync.W003")]


def backends(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Require backends whose Python path can be imported, and one address as sender of mails."""
    errors: list[checks.CheckMessage] = []
    try:
        get_connection()
    except Exception:  # noqa: BLE001 - a class of the operator may raise anything
        errors.append(
            checks.Error("EMAIL_BACKEND names nothing that sends mails.", id="audiencesync.E015")
        )
    try:
        import_string(settings.STORAGES["staticfiles"]["BACKEND"])
    except Exception:  # noqa: BLE001 - as above
        errors.append(
            checks.Error(
                "STATICFILES_BACKEND names nothing that stores files.", id="audiencesync.E016"
            )
        )
    sender = settings.DEFAULT_FROM_EMAIL
    if not sender.isprintable() or not re.fullmatch(r"[^\s@]+@[^\s@]+", parseaddr(sender)[1]):
        text = "DEFAULT_FROM_EMAIL must look like AudienceSync <sync@example.org>."
        errors.append(checks.Error(text, id="audiencesync.E017"))
    return errors


def ledger(app_configs: Apps, **kwargs: Any) -> list[checks.CheckMessage]:
    """Require a writable erasure ledger: without it a restored backup brings erased people back."""
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
    """Warn (--deploy) if staff, who read all groups' analytics, sign in with a password alone."""
    if settings.DEMO or settings.STAFF_REQUIRE_SECOND_FACTOR:
        return []
    hint = "Set STAFF_REQUIRE_SECOND_FACTOR=1."
    return [
        checks.Warning(
            "Pages of staff open with a password alone.", hint=hint, id="audiencesync.W005"
        )
    ]


def register() -> None:
    """Register the checks with Django."""
    required = (secret_key, token_keys, hosts, public_exposure, demo_users)
    for check in (*required, backends, sqlite_version, mail, ledger):
        checks.register(check, checks.Tags.security)
    checks.register(staff_second_factor, checks.Tags.security, deploy=True)
