"""A mail server's refusal repeats the address; our log does not."""

import logging
import smtplib

import pytest
from django.core.mail.backends.base import BaseEmailBackend
from django.test import Client
from django.utils import timezone

from partners.connections import mailing
from partners.models import Connection
from partners.notices import alerts


class Refusing(BaseEmailBackend):
    """Raise as smtplib does when a server refuses the recipient."""

    def send_messages(self, email_messages):
        raise smtplib.SMTPRecipientsRefused(
            {to: (550, b"no such user") for mail in email_messages for to in mail.to}
        )


@pytest.fixture(autouse=True)
def _refused(settings, caplog):
    settings.EMAIL_BACKEND = f"{Refusing.__module__}.{Refusing.__qualname__}"
    caplog.set_level(logging.DEBUG)


def test_a_refused_invitation_is_logged_without_its_address(alice, signed_in, caplog):
    signed_in(alice).post(
        "/g/acme/members/invite/", {"email": "canary@example.org", "role": "viewer"}
    )
    assert "could not be mailed (SMTPRecipientsRefused)" in caplog.text
    assert "canary@example.org" not in caplog.text


def test_a_refused_alert_is_logged_without_its_address(world, alice, caplog):
    world.create_sync()
    Connection.objects.update(parked_by="token", connected_by=alice)
    assert alerts.send_due(now=timezone.now()) == 0
    assert "could not be sent (SMTPRecipientsRefused)" in caplog.text
    assert alice.email not in caplog.text


def test_a_refused_password_reset_is_logged_without_its_address(alice, caplog):
    Client().post("/accounts/password/reset/", {"email": alice.email})
    mailing.beat()
    assert "could not be sent (SMTPRecipientsRefused)" in caplog.text
    assert alice.email not in caplog.text
