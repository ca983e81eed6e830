"""Alert mails count as sent after delivery, are retried, and use the recipient's language."""

import smtplib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.backends.locmem import EmailBackend
from django.db import connections
from django.utils import timezone

from audiencesync.groups.mail_model import OutgoingMail
from audiencesync.groups.models import Membership, User
from partners.models import Audience, Batch, Connection, Count, Notice, Sync
from partners.notices import alerts
from partners.queue import park

pytestmark = pytest.mark.thorough

ENDS_AT = datetime(2026, 11, 29, 1, 7, tzinfo=UTC)  # 02:07 in Berlin


class Unreachable(BaseEmailBackend):
    """A mail server that refuses the connection."""

    def send_messages(self, email_messages):
        raise ConnectionRefusedError


class Refusing(BaseEmailBackend):
    """A mail server that takes no mail at all."""

    error: Exception

    def send_messages(self, email_messages):
        raise self.error


class Picky(EmailBackend):
    """A mail server that rejects one address."""

    def send_messages(self, messages):
        if messages[0].to == ["alice@example.org"]:
            raise smtplib.SMTPRecipientsRefused({"alice@example.org": (450, b"later")})
        return super().send_messages(messages)


@pytest.fixture
def backend(settings):
    def use(kind):
        settings.EMAIL_BACKEND = f"{kind.__module__}.{kind.__qualname__}"

    return use


@pytest.fixture
def works(backend):
    return lambda: backend(EmailBackend)


@pytest.fixture
def broken(world, alice):
    """A rejected token and 1,000 pending people with the deadline 02:07 in Berlin."""
    world.app_group.time_zone = "Europe/Berlin"
    world.app_group.save()
    sync_row = world.create_sync()
    Sync.objects.update(label="Cart: winback", url="/g/acme/canvases/7/?step=9")
    world.enter(sync_row, world.create_people(1000))
    Batch.objects.update(first_failed_at=timezone.now(), deadline_at=ENDS_AT)
    now = timezone.now()
    Connection.objects.update(
        parked_by="token", parked_until=now, parked_since=now, connected_by=alice
    )
    return world


def kinds_sent():
    """Return the kinds of messages that were sent."""
    return sorted(Notice.objects.exclude(sent_at=None).values_list("kind", flat=True))


def send(minutes=0.0):
    return alerts.send_due(now=timezone.now() + timedelta(minutes=minutes))


def test_an_alert_is_marked_sent_only_after_its_delivery(broken, backend, works, mailoutbox):
    backend(Unreachable)
    assert send() == 0
    assert kinds_sent() == []
    works()
    assert send(2) == 1
    assert kinds_sent() == ["begun"]
    assert send(4) == 0
    assert len(mailoutbox) == 1


def test_failed_mails_are_retried_with_backoff(broken, backend):
    backend(Unreachable)
    for minute in range(32):
        send(minute)
    assert OutgoingMail.objects.get().tries == 6  # after 0, 1, 3, 7, 15 and 31 minutes
    assert Count.objects.get(pk="mails_failed").n == 6


def test_a_rejected_address_delays_no_other_mail(broken, backend, works, mailoutbox, bob):
    Membership.objects.filter(user=bob).update(role="admin")
    Connection.objects.update(connected_by=None)
    backend(Picky)
    assert send() == 1
    assert kinds_sent() == ["begun"]
    works()
    assert send(2) == 1
    assert sorted(mail.to[0] for mail in mailoutbox) == ["alice@example.org", "bob@example.org"]
    assert kinds_sent() == ["begun", "begun"]


@pytest.mark.parametrize(
    "error",
    [
        smtplib.SMTPServerDisconnected("Connection unexpectedly closed"),
        smtplib.SMTPConnectError(421, b"too busy"),
        smtplib.SMTPAuthenticationError(535, b"wrong password"),
        smtplib.SMTPSenderRefused(550, b"not from you", "noreply@example.org"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_takes_no_mail_is_asked_once(broken, backend, monkeypatch, bob, error):
    Membership.objects.filter(user=bob).update(role="admin")
    Connection.objects.update(connected_by=None)
    monkeypatch.setattr(Refusing, "error", error, raising=False)
    backend(Refusing)
    assert send() == 0
    assert sorted(OutgoingMail.objects.values_list("tries", flat=True)) == [0, 1]


def test_an_incident_that_ended_before_its_delivery_is_not_mailed(
    broken, backend, works, mailoutbox
):
    backend(Unreachable)
    send()
    Connection.objects.update(**park.NOT_PARKED)
    works()
    assert send(2) == 0
    assert mailoutbox == []


def test_the_end_of_an_incident_is_mailed_when_the_server_is_back(
    broken, backend, works, mailoutbox
):
    send()
    Connection.objects.update(**park.NOT_PARKED)
    backend(Unreachable)
    assert send() == 0
    assert kinds_sent() == ["begun"]
    works()
    assert send(2) == 1
    assert mailoutbox[-1].subject == "TikTok works again in Acme"
    assert "1,000 people who wait are sent now." in mailoutbox[-1].body
    assert kinds_sent() == ["begun", "over"]


def test_a_deadline_mail_is_retried_on_the_same_day(broken, backend, works, mailoutbox):
    backend(Unreachable)
    now = ENDS_AT - timedelta(minutes=3)
    assert alerts.send_due(now=now) == 0
    works()
    assert alerts.send_due(now=now + timedelta(minutes=2)) == 1
    assert alerts.send_due(now=now + timedelta(minutes=3)) == 0


def test_errored_people_are_mailed_after_hours_without_a_mail_server(
    broken, backend, works, mailoutbox
):
    now = timezone.now()
    Batch.objects.update(state="errored", settled_at=now, deadline_at=now)
    Connection.objects.update(parked_by="")
    backend(Unreachable)
    assert send() == 0
    works()
    assert send(180) == 1
    assert mailoutbox[0].subject == "People were not sent to TikTok in Acme"
    assert "- Cart: winback: 1,000 people, http" in mailoutbox[0].body


def test_a_mail_is_given_up_after_days(broken, backend):
    backend(Unreachable)
    send()
    send(3 * 24 * 60 + 1)
    assert OutgoingMail.objects.get().due_at is None
    assert OutgoingMail.objects.get().body == ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_only_one_of_four_workers_retries_a_mail(broken, backend, works, mailoutbox):
    backend(Unreachable)
    send()
    works()

    def work(_):
        try:
            return send(2)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 1
    assert len(mailoutbox) == 1


def test_a_mail_names_canvas_people_deadline_and_link(broken, mailoutbox):
    send()
    [mail] = mailoutbox
    assert (
        "Reconnect TikTok by 29 Nov, 02:07. Otherwise 1,000 people count as errored." in mail.body
    )
    assert "/g/acme/partners/tiktok/\n" in mail.body
    assert (
        "- Cart: winback: 1,000 people, http://127.0.0.1:8000/g/acme/canvases/7/?step=9"
        in mail.body
    )
    assert "Times are those of Europe/Berlin." in mail.body
    assert "An admin of this app group can do that." not in mail.body


def test_a_mail_is_in_the_language_of_its_reader_or_the_group(broken, mailoutbox, alice, bob):
    Membership.objects.filter(user=bob).update(role="admin")
    Connection.objects.update(connected_by=None)
    User.objects.filter(pk=alice.pk).update(language="de")
    send()
    mails = {mail.to[0]: mail for mail in mailoutbox}
    assert (
        mails["alice@example.org"].subject
        == "TikTok braucht Aufmerksamkeit in Acme: Zugriff verweigert"
    )
    assert "Verbinden Sie TikTok bis 29.11., 02:07 Uhr neu." in mails["alice@example.org"].body
    assert "Sonst zählen 1.000 Nutzer:innen als Fehler." in mails["alice@example.org"].body
    assert mails["bob@example.org"].subject == "TikTok needs attention in Acme: access refused"


def test_a_mail_about_a_deleted_audience_links_to_the_step(broken, mailoutbox):
    Connection.objects.update(**park.NOT_PARKED)
    Audience.objects.update(parked_by="gone", gone_at=timezone.now())
    send()
    [mail] = mailoutbox
    assert (
        mail.subject == "TikTok needs attention in Acme: audience winback does not exist any more"
    )
    assert mail.body.split("\n\n")[1].endswith("/g/acme/canvases/7/?step=9#id_audience_name")
