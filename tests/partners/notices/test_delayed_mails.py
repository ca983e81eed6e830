"""Mails that the mail server takes late, and incidents without a recipient beside others."""

from datetime import timedelta

import pytest
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from audiencesync.groups.models import Membership
from partners.connections import mailing
from partners.models import Audience, Connection, NoticeChoice
from partners.notices import alerts, notify
from tests.support import builder

pytestmark = pytest.mark.django_db


class Unreachable(BaseEmailBackend):
    """A mail server that refuses the connection."""

    def send_messages(self, email_messages):
        raise ConnectionRefusedError


@pytest.fixture
def audience(acme, alice, bob):
    """An audience of a live step; Alice, the admin, has connected, and Bob reads all."""
    account = builder.add_account(builder.connect(acme, by=alice))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    builder.make_sync(audience)
    NoticeChoice.objects.create(membership=Membership.objects.get(user=bob), connections="all")
    return audience


@pytest.fixture
def delayed(audience, settings):
    """Mails about a refused token that the mail server has not taken yet."""
    backend, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{__name__}.Unreachable"
    Connection.objects.update(parked_by="token")
    alerts.send_due(now=timezone.now())
    settings.EMAIL_BACKEND = backend


def later(**time):
    return timezone.now() + timedelta(**time)


def recipients(mailoutbox):
    return sorted(mail.to[0].split("@")[0] for mail in mailoutbox)


def test_the_end_is_mailed_if_the_begin_was_sent_by_a_later_turn(delayed, mailoutbox):
    mailing.send_due(now=later(minutes=2))
    assert recipients(mailoutbox) == ["alice", "bob"]
    Connection.objects.update(parked_by="")
    alerts.send_due(now=later(minutes=3))
    assert recipients(mailoutbox) == ["alice", "alice", "bob", "bob"]


def test_a_member_who_has_left_is_not_mailed_any_more(delayed, mailoutbox, bob):
    Membership.objects.filter(user=bob).delete()
    alerts.send_due(now=later(minutes=2))
    assert recipients(mailoutbox) == ["alice"]


def test_incidents_without_a_reader_leave_the_others_their_turn(
    audience, alice, bob, mailoutbox, monkeypatch
):
    monkeypatch.setattr(notify, "MAX_PER_RUN", 2)
    NoticeChoice.objects.create(membership=Membership.objects.get(user=alice), steps="none")
    for n in range(3):
        row = Audience.objects.create(ad_account=audience.ad_account, remote_id=n, name=f"no {n}")
        builder.make_sync(row)
    Audience.objects.update(gone_at=timezone.now())
    alerts.send_due(now=timezone.now())
    Connection.objects.update(parked_by="token")
    alerts.send_due(now=timezone.now())
    for _turn in range(60):
        notify.write(now=timezone.now())
    alerts.send_due(now=timezone.now())
    assert recipients(mailoutbox) == ["alice", "bob"]
