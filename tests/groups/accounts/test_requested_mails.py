"""A password reset only writes a row, at equal cost for any address; the engine sends the mail."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.groups.mail_model import OutgoingMail
from partners.connections import mailing
from partners.models import Count

NEW = "battery staple horse"
LINK = re.compile(r"http://127\.0\.0\.1:8000(\S+)")


class Unavailable(BaseEmailBackend):
    """A mail server that does not answer."""

    def send_messages(self, email_messages):
        raise ConnectionRefusedError


@pytest.fixture
def mail_server_down(settings):
    """Return switch(is_down), which stops or restarts the mail server."""
    works = settings.EMAIL_BACKEND

    def switch(is_down):
        settings.EMAIL_BACKEND = (
            f"{Unavailable.__module__}.{Unavailable.__qualname__}" if is_down else works
        )

    return switch


def request_reset(email="alice@example.org", **headers):
    return Client().post("/accounts/password/reset/", {"email": email}, headers=headers)


def send(minutes=0.0):
    return mailing.send_due(now=timezone.now() + timedelta(minutes=minutes))


def statements(email):
    """Return the statements of a request, without values."""
    with CaptureQueriesContext(connection) as seen:
        answer = request_reset(email)
    assert answer["Location"] == "/accounts/password/reset/done/"
    return [re.sub(r"'[^']*'|\d+", "?", query["sql"]) for query in seen]


def test_the_engine_sends_the_mail_not_the_request(alice):
    request_reset()
    assert mail.outbox == []
    mailing.beat()
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]
    assert not OutgoingMail.objects.exists()


def test_a_known_and_an_unknown_address_cost_the_same(alice):
    request_reset()  # the first request of a process runs additional statements
    known, unknown = statements("alice@example.org"), statements("dora@example.org")
    assert known == unknown
    assert not [statement for statement in known if "groups_user" in statement]
    assert sorted(OutgoingMail.objects.values_list("address", flat=True)) == [
        "alice@example.org",
        "alice@example.org",
        "dora@example.org",
    ]


def test_an_address_without_an_account_gets_no_mail_and_leaves_no_row(alice):
    alice.is_active = False
    alice.save()
    for email in ("alice@example.org", "nobody@example.org", f"{'x' * 60}@{'y' * 60}.example.org"):
        request_reset(email)
    assert send() == 0
    assert mail.outbox == []
    assert not OutgoingMail.objects.exists()


def test_no_link_is_stored_before_it_is_mailed(alice):
    request_reset()
    row = OutgoingMail.objects.get()
    assert (row.subject, row.body, row.user) == ("", "", None)
    send()
    link = LINK.search(mail.outbox[0].body)[1]
    form = Client()
    page = form.get(link)["Location"]
    form.post(page, {"password1": NEW, "password2": NEW})
    alice.refresh_from_db()
    assert alice.check_password(NEW)


def test_requests_during_a_mail_outage_become_one_mail(alice, mail_server_down):
    mail_server_down(True)
    request_reset()
    request_reset(" ALICE@example.org")
    assert send() == 0
    assert Count.objects.get(pk="mails_failed").n == 1
    mail_server_down(False)
    assert send(2) == 1
    assert send(4) == 0
    assert len(mail.outbox) == 1
    assert not OutgoingMail.objects.exists()


def test_a_mail_is_given_up_after_days(alice, mail_server_down):
    mail_server_down(True)
    request_reset()
    send()
    send(3 * 24 * 60 + 1)
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize(
    ("own", "page", "sentence"),
    [("", "de", "Sie erhalten diese"), ("en", "de", "You're receiving")],
)
def test_the_mail_is_in_the_language_of_the_user_or_the_page(alice, own, page, sentence):
    alice.language = own
    alice.save()
    request_reset(**{"Accept-Language": page})
    send()
    assert sentence in mail.outbox[0].body


def test_the_page_does_not_claim_that_a_mail_was_sent():
    page = Client().get("/accounts/password/reset/done/").content.decode()
    assert "If there is an account" in page
    assert "may take a minute" in page
    assert "We have sent you" not in page
