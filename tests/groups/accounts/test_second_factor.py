"""Second factors are stored encrypted and re-encrypted when TOKEN_KEYS rotate."""

import importlib
import json
import time
from io import StringIO

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.apps import apps
from django.core.management import CommandError, call_command
from django.test import Client

from audiencesync.core import crypto

PASSWORD = "correct horse battery"
OLD, NEW = crypto.new_key("old"), crypto.new_key("new")
migration = importlib.import_module("audiencesync.groups.migrations.0017_seal_second_factors")


def code(secret):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def stored():
    return json.dumps(list(Authenticator.objects.values_list("data", flat=True)))


@pytest.fixture(autouse=True)
def _frozen_time():
    """Stop the clock, so that no code expires within a test."""
    with time_machine.travel(time.time(), tick=False):
        yield


@pytest.fixture
def secret(alice, settings):
    settings.TOKEN_KEYS = [OLD]
    key = generate_totp_secret()
    TOTP.activate(alice, key)
    RecoveryCodes.activate(alice)
    return key


def signs_in(alice, text):
    client = Client()
    client.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    client.post("/accounts/2fa/authenticate/", {"code": text})
    return client.get("/groups/").status_code == 200


def test_neither_secret_nor_seed_is_stored_in_clear(alice, secret):
    assert secret not in stored()
    assert stored().count("v1.old.") == 2
    assert signs_in(alice, code(secret))


def test_the_migration_encrypts_stored_secrets(alice, settings):
    settings.TOKEN_KEYS = [OLD]
    key = generate_totp_secret()
    Authenticator.objects.create(user=alice, type="totp", data={"secret": key})
    codes = Authenticator.objects.create(
        user=alice, type="recovery_codes", data={"seed": "ab" * 40, "used_mask": 1}
    )
    for _again in range(2):
        migration.seal(apps, None)
    assert key not in stored()
    assert "ab" * 40 not in stored()
    codes.refresh_from_db()
    assert codes.data["used_mask"] == 1
    assert len(codes.wrap().get_unused_codes()) == 9
    assert signs_in(alice, code(key))
    migration.open_again(apps, None)
    assert key in stored()


def test_rotate_keys_encrypts_secrets_with_the_new_key(alice, secret, settings):
    settings.TOKEN_KEYS = [NEW, OLD]
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert "second factors: 2 resealed" in out.getvalue()
    settings.TOKEN_KEYS = [NEW]
    assert signs_in(alice, code(secret))
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    assert "second factors: 0 resealed, 2 already current" in out.getvalue()


def test_an_unreadable_second_factor_refuses_sign_in_and_is_reported(
    alice, secret, settings, caplog
):
    settings.TOKEN_KEYS = [NEW]
    assert not signs_in(alice, code(secret))
    assert "does not open with TOKEN_KEYS" in caplog.text
    with pytest.raises(CommandError, match="second factors"):
        call_command("rotate_keys", stdout=StringIO())
