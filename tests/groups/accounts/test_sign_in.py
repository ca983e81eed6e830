"""Sign in by e-mail and second factor, reset a password, sign out."""

import re
import time

import pytest
import time_machine
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
    """Give Alice an authenticator app with this secret, and recovery codes."""
    key = generate_totp_secret()
    TOTP.activate(alice, key)
    RecoveryCodes.activate(alice)
    return key


@pytest.mark.parametrize("email", ["alice@example.org", "ALICE@Example.org", " alice@example.org "])
def test_the_address_signs_in_in_any_case(alice, email):
    client, answer = sign_in(email)
    assert answer["Location"] == "/"
    assert is_in(client)


@pytest.mark.parametrize(
    ("email", "password"),
    [("alice@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("", "")],
)
def test_wrong_credentials_get_one_message(alice, email, password):
    client, answer = sign_in(email, password)
    assert answer.status_code == 200
    assert "There is a problem" in answer.content.decode()
    assert not is_in(client)


def test_an_inactive_user_cannot_sign_in(alice):
    alice.is_active = False
    alice.save()
    assert not is_in(sign_in()[0])


def test_guesses_in_the_password_change_form_count_as_failed_sign_ins(alice, signed_in):
    client = signed_in(alice)
    new = {"password1": "a new horse battery", "password2": "a new horse battery"}
    for _ in range(5):
        form = {"oldpassword": "guess", **new}
        assert client.post("/accounts/password/change/", form).status_code == 200
    assert "Too many failed login attempts" in sign_in()[1].content.decode()


def test_the_password_is_changed_with_the_old_one(alice, signed_in):
    new = {"password1": "a new horse battery", "password2": "a new horse battery"}
    form = {"oldpassword": PASSWORD, **new}
    assert signed_in(alice).post("/accounts/password/change/", form).status_code == 302
    assert is_in(sign_in(password="a new horse battery")[0])


def test_sign_in_redirects_to_the_requested_page(alice):
    assert sign_in(query="?next=/g/acme/activity/")[1]["Location"] == "/g/acme/activity/"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"]
)
def test_sign_in_does_not_redirect_to_another_site(alice, target):
    assert sign_in(query=f"?next={target}")[1]["Location"] == "/"


def test_signing_out_requires_a_post(alice, signed_in):
    client = signed_in(alice)
    client.get("/accounts/logout/")
    assert is_in(client)
    client.post("/accounts/logout/")
    assert not is_in(client)


def test_a_second_factor_is_required(alice, secret):
    client, answer = sign_in()
    assert answer["Location"] == "/accounts/2fa/authenticate/"
    assert not is_in(client)
    with time_machine.travel(time.time(), tick=False):  # the code does not expire meanwhile
        code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
        client.post("/accounts/2fa/authenticate/", {"code": code})
    assert is_in(client)


def test_a_wrong_code_is_refused(alice, secret):
    client, _answer = sign_in()
    answer = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert "There is a problem" in answer.content.decode()
    assert not is_in(client)


def test_a_recovery_code_works_once(alice, secret):
    codes = Authenticator.objects.get(user=alice, type="recovery_codes").wrap().get_unused_codes()
    for opens in (True, False):
        client, _answer = sign_in()
        client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
        assert is_in(client) is opens


def test_a_forgotten_password_is_reset_by_mail(alice):
    client = Client()
    client.post("/accounts/password/reset/", {"email": "alice@example.org"})
    mailing.beat()
    path = re.search(r"http://127.0.0.1:8000(\S+)", mail.outbox[0].body)[1]
    form = client.get(path)["Location"]
    client.post(form, {"password1": "battery staple horse", "password2": "battery staple horse"})
    assert not is_in(sign_in()[0])
    assert is_in(sign_in(password="battery staple horse")[0])


def test_a_reset_for_an_unknown_address_shows_the_same_page(alice):
    known, unknown = (
        Client().post("/accounts/password/reset/", {"email": email}, follow=True).content.decode()
        for email in ("alice@example.org", "nobody@example.org")
    )
    masked = re.compile(r'value="\w{64}"|X-CSRFToken": "\w+"')
    assert masked.sub("", known) == masked.sub("", unknown)
    mailing.beat()
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]
