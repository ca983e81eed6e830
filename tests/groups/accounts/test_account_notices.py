"""Notify the owner of an account of every change, at the old address."""

import re
import time

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core import mail
from django.test import Client
from django.utils import translation

from partners.connections import mailing

PASSWORD = "correct horse battery"
NEW = "battery staple horse"
LINK = re.compile(r"http://127\.0\.0\.1:8000(\S+)")


def mails_to(email):
    return " ".join(
        " ".join(message.body.split()) for message in mail.outbox if message.to == [email]
    )


@pytest.mark.parametrize(
    ("language", "words"), [("en", "shall become new@"), ("de", "soll künftig new@")]
)
def test_a_requested_change_is_announced_to_the_present_address(alice, signed_in, language, words):
    headers = {"Accept-Language": language}
    signed_in(alice).post(
        "/accounts/email/", {"email": "new@example.org", "action_add": ""}, headers=headers
    )
    assert words in mails_to("alice@example.org")
    assert "/confirm-email/" not in mails_to("alice@example.org")


def test_a_confirmed_change_is_announced_to_the_old_address(alice, signed_in):
    client = signed_in(alice)
    client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
    client.post(LINK.search(mails_to("new@example.org"))[1])
    assert "changed from alice@example.org to new@example.org" in mails_to("alice@example.org")


def test_a_changed_password_is_announced(alice, signed_in):
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    signed_in(alice).post("/accounts/password/change/", form)
    assert "password has been changed" in mails_to("alice@example.org")


def test_a_reset_password_is_announced(alice):
    client = Client()
    client.post("/accounts/password/reset/", {"email": alice.email})
    mailing.beat()
    form = client.get(LINK.search(mail.outbox[0].body)[1])["Location"]
    client.post(form, {"password1": NEW, "password2": NEW})
    assert "password has been reset" in mails_to("alice@example.org")


@pytest.mark.django_db(transaction=True)
def test_adding_and_removing_a_second_factor_is_announced(alice, signed_in):
    client = signed_in(alice)
    with time_machine.travel(time.time(), tick=False):
        client.get("/accounts/2fa/totp/activate/")
        secret = client.session["mfa.totp.secret"]
        code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
        client.post("/accounts/2fa/totp/activate/", {"code": code})
    client.post("/accounts/2fa/totp/deactivate/")
    assert "Authenticator app activated" in mails_to(alice.email)
    assert "Authenticator app deactivated" in mails_to(alice.email)


def test_a_user_created_in_the_shell_has_a_confirmed_address(alice):
    assert EmailAddress.objects.get(user=alice).verified
    with translation.override("en"):
        assert str(EmailAddress.objects.get(user=alice)) == "alice@example.org"
