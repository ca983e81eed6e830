"""Mails about a rejected access: one per incident, and one when it is over."""

import pytest
from django.utils import timezone

from partners.connections import connect
from partners.models import Audience, Connection
from partners.notices import alerts
from partners.queue import park


@pytest.fixture
def broken(world, alice):
    world.create_sync()
    Connection.objects.update(connected_by=alice)
    now = timezone.now()
    Connection.objects.update(parked_by="token", parked_until=now, parked_since=now)
    return world


def send():
    return alerts.send_due(now=timezone.now())


def test_a_rejected_token_is_mailed_once(broken, mailoutbox):
    send()
    send()
    [mail] = mailoutbox
    assert mail.to == ["alice@example.org"]
    assert mail.subject == "TikTok needs attention in Acme: access refused"
    assert "no longer accepts our access" in mail.body
    assert "/g/acme/partners/tiktok/" in mail.body


def test_a_line_break_in_a_name_does_not_inject_headers(broken, mailoutbox):
    broken.app_group.name = "Acme\r\nBcc: eve@example.org"
    broken.app_group.save()
    send()
    assert [mail.subject for mail in mailoutbox] == [
        "TikTok needs attention in Acme Bcc: eve@example.org: access refused"
    ]
    assert [mail.bcc for mail in mailoutbox] == [[]]


def test_the_end_of_an_incident_is_mailed_once(broken, mailoutbox):
    send()
    Connection.objects.update(**park.NOT_PARKED)
    send()
    send()
    assert [mail.subject for mail in mailoutbox][1:] == ["TikTok works again in Acme"]


def test_a_second_incident_is_mailed(broken, mailoutbox):
    send()
    Connection.objects.update(parked_by="")
    send()
    Connection.objects.update(parked_by="token")
    send()
    assert len(mailoutbox) == 3


def test_all_admins_are_mailed_when_the_connecting_user_has_left(broken, alice, bob, mailoutbox):
    Connection.objects.update(connected_by=bob)
    bob.memberships.all().delete()
    send()
    assert [mail.to for mail in mailoutbox] == [["alice@example.org"]]


def test_an_incident_without_live_canvases_is_not_mailed(broken, mailoutbox):
    broken.app_group.connections.get().ad_accounts.first().audiences.get().syncs.update(
        is_live=False
    )
    send()
    assert mailoutbox == []


def test_a_missing_audience_is_mailed(world, alice, mailoutbox):
    sync_row = world.create_sync()
    Audience.objects.filter(pk=sync_row.audience_id).update(
        parked_by="gone", gone_at=timezone.now()
    )
    send()
    assert "winback" in mailoutbox[0].body


def test_an_unreachable_mail_server_is_logged(broken, settings, caplog):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert send() == 0
    assert "could not be sent" in caplog.text
    assert "alice@example.org" not in caplog.text


def test_a_disconnect_is_not_mailed_as_a_recovery(broken, alice, mailoutbox):
    send()
    connect.disconnect(Connection.objects.get(), discard=False, by=alice, now=timezone.now())
    send()
    assert [mail.subject for mail in mailoutbox] == [
        "TikTok needs attention in Acme: access refused"
    ]
