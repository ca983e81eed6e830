"""Signing in by e-mail, with a second factor, after a forgotten password; signing out."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail
from django.test import Client

from partners.connections import mailing

PASSWORD = "correct horse battery"


def sign_in(email="alice@example.org", password=PASSWORD, query=""):
    client = Client()
    return client, client.post(f"/accounts/login/{query}", {"login": email, "password": password})


def is_in(client):
    return client.get("/groups/").status_code == 200


@pytest.fixture
def secret(alice):
    """Alice has an authenticator app with this secret, and recovery codes."""
    key = generate_totp_secret()
    TOTP.activate(alice, key)
    RecoveryCodes.activate(alice)
    return key


@pytest.mark.parametrize("email", ["alice@example.org", "ALICE@Example.org", " alice@example.org "])
def test_the_address_is_the_name(alice, email):
    client, answer = sign_in(email)
    assert answer["Location"] == "/"
    assert is_in(client)


@pytest.mark.parametrize(
    ("email", "password"),
    [("alice@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("", "")],
)
def test_anything_else_is_refused_with_the_same_words(alice, email, password):
    client, answer = sign_in(email, password)
    assert answer.status_code == 200
    assert "There is a problem" in answer.content.decode()
    assert not is_in(client)


def test_somebody_switched_off_stays_out(alice):
    alice.is_active = False
    alice.save()
    assert not is_in(sign_in()[0])


def test_guesses_at_the_form_of_a_new_password_count_as_failed_sign_ins(alice, signed_in):
    client = signed_in(alice)
    new = {"password1": "a new horse battery", "password2": "a new horse battery"}
    for _ in range(5):
        assert (
            client.post("/accounts/password/change/", {"oldpassword": "guess", **new}).status_code
            == 200
        )
    assert "Too many failed login attempts" in sign_in()[1].content.decode()


def test_with_the_old_password_comes_a_new_one(alice, signed_in):
    new = {"password1": "a new horse battery", "password2": "a new horse battery"}
    assert (
        signed_in(alice)
        .post("/accounts/password/change/", {"oldpassword": PASSWORD, **new})
        .status_code
        == 302
    )
    assert is_in(sign_in(password="a new horse battery")[0])


def test_sign_in_leads_where_one_wanted_to_go(alice):
    assert sign_in(query="?next=/g/acme/activity/")[1]["Location"] == "/g/acme/activity/"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"]
)
def test_sign_in_leads_nowhere_else(alice, target):
    assert sign_in(query=f"?next={target}")[1]["Location"] == "/"


def test_signing_out_takes_a_post(alice, signed_in):
    client = signed_in(alice)
    client.get("/accounts/logout/")
    assert is_in(client)
    client.post("/accounts/logout/")
    assert not is_in(client)


def test_a_second_factor_is_asked_for(alice, secret):
    client, answer = sign_in()
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert not is_in(client)
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    client.post("/accounts/2fa/authenticate/", {"code": code})
    assert is_in(client)


def test_a_wrong_code_does_not_open(alice, secret):
    client, _answer = sign_in()
    answer = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert "There is a problem" in answer.content.decode()
    assert not is_in(client)


def test_a_recovery_code_opens_once(alice, secret):
    codes = Authenticator.objects.get(user=alice, type="recovery_codes").wrap().get_unused_codes()
    for opens in (True, False):
        client, _answer = sign_in()
        client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
        assert is_in(client) is opens


def test_a_forgotten_password_is_set_anew(alice):
    client = Client()
    client.post("/accounts/password/reset/", {"email": "alice@example.org"})
    mailing.beat()
    path = re.search(r"http://127.0.0.1:8000(\S+)", mail.outbox[0].body)[1]
    form = client.get(path)["Location"]
    client.post(form, {"password1": "battery staple horse", "password2": "battery staple horse"})
    assert not is_in(sign_in()[0])
    assert is_in(sign_in(password="battery staple horse")[0])


def test_a_reset_for_a_stranger_says_the_same_and_mails_nobody(alice):
    known, unknown = (
        Client().post("/accounts/password/reset/", {"email": email}, follow=True).content.decode()
        for email in ("alice@example.org", "nobody@example.org")
    )
    masked = re.compile(r'value="\w{64}"|X-CSRFToken": "\w+"')
    assert masked.sub("", known) == masked.sub("", unknown)
    mailing.beat()
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]
