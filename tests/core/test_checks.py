"""Each system check reports one kind of wrong setting, and nothing for a right one."""

import base64
import os
import secrets
import subprocess
import sys

import pytest
from django.conf import settings as configured

from audiencesync.core import checks, crypto
from partners import apps


def ids(check):
    return [message.id for message in check(None)]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("", ["audiencesync.E001"]),
        ("short", ["audiencesync.E002"]),
        ("x" * 66, ["audiencesync.E007"]),
        ("abc" * 30, ["audiencesync.E007"]),
        ("0123456789" * 6, ["audiencesync.E007"]),
        (
            "please-change-me-to-a-long-random-string-of-50-characters-or-more",
            ["audiencesync.E007"],
        ),
        ("change-me-" * 6, ["audiencesync.E007"]),
        ("django-insecure-" + secrets.token_hex(32), ["audiencesync.E007"]),
        (secrets.token_hex(25), []),
        (secrets.token_urlsafe(64), []),
        ("".join(secrets.choice("0123456789") for _ in range(50)), []),
    ],
    ids=range(11),  # the keys differ in each test process, so they cannot be ids
)
def test_a_weak_secret_key_is_refused(settings, key, found):
    settings.SECRET_KEY = key
    assert ids(checks.secret_key) == found


@pytest.mark.parametrize("keys", [[], ["nonsense"], ["a:c2hvcnQ="], [":" + "A" * 43 + "="]])
def test_malformed_token_keys_are_refused(settings, keys):
    settings.TOKEN_KEYS = keys
    assert ids(checks.token_keys) == ["audiencesync.E003"]


def test_a_weak_fallback_key_is_refused(settings):
    settings.SECRET_KEY_FALLBACKS = [secrets.token_hex(32), "y" * 50]
    assert ids(checks.secret_key) == ["audiencesync.E007"]


@pytest.mark.parametrize("raw", [bytes(32), b"a" * 32, b"0123456789" * 3 + b"ab", b"changeme" * 4])
def test_token_keys_without_randomness_are_refused(settings, raw):
    settings.TOKEN_KEYS = [crypto.new_key("a"), f"b:{base64.b64encode(raw).decode()}"]
    assert ids(checks.token_keys) == ["audiencesync.E008"]


def test_random_token_keys_are_accepted(settings):
    settings.TOKEN_KEYS = [crypto.new_key("b"), crypto.new_key("a")]
    assert ids(checks.token_keys) == []


@pytest.mark.parametrize(
    ("url", "allowed", "found"),
    [
        ("https://sync.example.org", ["sync.example.org"], []),
        ("https://sync.example.org:8443", [".example.org"], []),
        ("http://127.0.0.1:8000", ["127.0.0.1"], []),
        ("http://[::1]:8000", ["[::1]"], []),
        ("https://sync.example.org", ["other.example.org"], ["audiencesync.E006"]),
        ("https://sync.example.org", [], ["audiencesync.E006"]),
        ("sync.example.org", ["sync.example.org"], ["audiencesync.E005"]),
        ("https://", ["*"], ["audiencesync.E005"]),
    ],
)
def test_the_site_url_must_be_an_allowed_host(settings, url, allowed, found):
    settings.SITE_URL, settings.ALLOWED_HOSTS = url, allowed
    assert ids(checks.hosts) == found


@pytest.mark.parametrize(
    ("version", "found"), [((3, 40, 1), ["audiencesync.W001"]), ((3, 51, 3), [])]
)
def test_an_old_sqlite_library_is_a_warning(monkeypatch, settings, version, found):
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}}
    monkeypatch.setattr("sqlite3.sqlite_version_info", version)
    assert ids(checks.sqlite_version) == found


def test_a_missing_tiktok_secret_is_named(settings):
    settings.TIKTOK_APP_SECRET = ""
    messages = apps.partner_settings(None)
    assert [message.msg for message in messages] == ["TIKTOK_APP_SECRET not set."]


def test_an_unknown_preset_is_refused(settings):
    assert ids(apps.partner_settings) == []
    settings.TIKTOK_PRESET = "published_by_nobody"
    assert ids(apps.partner_settings) == ["partners.E001"]


def test_check_deploy_is_clean_in_production(tmp_path):
    environment = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQ",
        "TOKEN_KEYS": crypto.new_key("a"),
        "SITE_URL": "https://sync.example.org",
        "ALLOWED_HOSTS": "sync.example.org",
        "EMAIL_HOST": "mail.example.org",
        "TIKTOK_APP_ID": "1",
        "TIKTOK_APP_SECRET": "2",
        "STAFF_REQUIRE_SECOND_FACTOR": "1",
        "VAR_DIR": str(tmp_path),
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(
        command,
        cwd=configured.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
