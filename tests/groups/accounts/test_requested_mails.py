"""A forgotten password: the request only writes a row, and costs the same whoever has an account; the engine mails."""

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


class Away(BaseEmailBackend):
    """A mail server that does not answer."""

    def send_messages(self, email_messages):
        raise ConnectionRefusedError


@pytest.fixture
def away(settings):
    """away(True): the mail server does not answer; away(False): it does again."""
    works = settings.EMAIL_BACKEND

    def switch(is_away):
        settings.EMAIL_BACKEND = f"{Away.__module__}.{Away.__qualname__}" if is_away else works

    return switch


def ask(email="alice@example.org", **headers):
    return Client().post("/accounts/password/reset/", {"email": email}, headers=headers)


def send(minutes=0.0):
    return mailing.send_due(now=timezone.now() + timedelta(minutes=minutes))


def statements(email):
    """What the request does in the database, without values."""
    with CaptureQueriesContext(connection) as seen:
        answer = ask(email)
    assert answer["Location"] == "/accounts/password/reset/done/"
    return [re.sub(r"'[^']*'|\d+", "?", query["sql"]) for query in seen]


def test_no_mail_leaves_within_the_request_and_the_beat_of_the_engine_sends_it(alice):
    ask()
    assert mail.outbox == []
    mailing.beat()
    assert [message.to for message in mail.outbox] == [["alice@example.org"]]
    assert not OutgoingMail.objects.exists()


def test_a_known_and_an_unknown_address_cost_the_same_statements_and_rows(alice):
    ask()  # what the first request of a process does besides
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
        ask(email)
    assert send() == 0
    assert mail.outbox == []
    assert not OutgoingMail.objects.exists()


def test_no_link_lies_in_the_database_before_it_is_mailed(alice):
    ask()
    row = OutgoingMail.objects.get()
    assert (row.subject, row.body, row.user) == ("", "", None)
    send()
    link = LINK.search(mail.outbox[0].body)[1]
    form = Client()
    page = form.get(link)["Location"]
    form.post(page, {"password1": NEW, "password2": NEW})
    alice.refresh_from_db()
    assert alice.check_password(NEW)


def test_a_mail_server_that_is_away_delays_the_mail_and_several_requests_become_one_mail(
    alice, away
):
    away(True)
    ask()
    ask(" ALICE@example.org")
    assert send() == 0
    assert Count.objects.get(pk="mails_failed").n == 1
    away(False)
    assert send(2) == 1
    assert send(4) == 0
    assert len(mail.outbox) == 1
    assert not OutgoingMail.objects.exists()


def test_what_no_server_takes_is_given_up_after_days_and_its_row_goes(alice, away):
    away(True)
    ask()
    send()
    send(3 * 24 * 60 + 1)
    assert not OutgoingMail.objects.exists()


@pytest.mark.parametrize(
    ("mine", "page", "words"), [("", "de", "Sie erhalten diese"), ("en", "de", "You're receiving")]
)
def test_the_mail_speaks_the_language_of_its_reader_else_of_the_page(alice, mine, page, words):
    alice.language = mine
    alice.save()
    ask(**{"Accept-Language": page})
    send()
    assert words in mail.outbox[0].body


def test_the_page_says_that_it_may_take_a_minute_and_does_not_claim_that_a_mail_was_sent():
    page = Client().get("/accounts/password/reset/done/").content.decode()
    assert "If there is an account" in page
    assert "may take a minute" in page
    assert "We have sent you" not in page
