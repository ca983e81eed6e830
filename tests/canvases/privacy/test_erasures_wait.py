"""While an erasure waits for access, the admins are mailed about it once a day; nothing in it tells who it is."""

from datetime import timedelta

import pytest
from django.utils import timezone

from canvases.privacy import erase
from partners.connections import alerts
from partners.models import Connection

SUBJECT = "People who must leave are still in audiences of Acme"
DAY = timedelta(days=1)


@pytest.fixture
def waiting(world, alice, settings, tmp_path):
    """Two people who were synced into two audiences are erased, and the token is refused."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    Connection.objects.update(connected_by=None)
    people = world.people(2)
    for name in ("one", "two"):
        world.enter(world.sync(world.audience(name)), people)
    world.drain()
    world.sandbox.accounts.revoke(world.remote_token)
    erase.erase(world.app_group, [one.pk for one in people], asked_by="Alice", now=timezone.now())
    erase.proceed(now=timezone.now())
    world.flush(2)
    return world


def mails(mailoutbox, at):
    """Those about erasures that two looks at a moment send."""
    mailoutbox.clear()
    alerts.send_due(now=at)
    alerts.send_due(now=at)
    return [mail for mail in mailoutbox if mail.subject == SUBJECT]


def test_it_is_mailed_once_a_day_to_admins(waiting, mailoutbox, bob):
    now = timezone.now()
    for day in range(3):
        [mail] = mails(mailoutbox, now + day * DAY)
        assert mail.to == ["alice@example.org"]
        assert mail.body.startswith("2 people were erased here")
        assert "30 days" in mail.body
        assert "/g/acme/partners/tiktok/" in mail.body


def test_somebody_who_left_is_not_mailed(waiting, mailoutbox, alice):
    alice.is_active = False
    alice.save()
    assert mails(mailoutbox, timezone.now()) == []


def test_a_disconnect_does_not_end_it(waiting, mailoutbox):
    Connection.objects.update(parked_by="", token_sealed="")
    assert len(mails(mailoutbox, timezone.now())) == 1


def test_a_removal_that_waits_for_nothing_but_its_turn_is_not_mailed(waiting, mailoutbox):
    Connection.objects.update(parked_by="", parked_until=None)
    assert mails(mailoutbox, timezone.now()) == []
