"""Admins are mailed once a day while the removals of an erasure wait for access to the partner."""

from datetime import timedelta

import pytest
from django.utils import timezone

from canvases.privacy import erase
from partners.connections import connect
from partners.models import Connection
from partners.notices import alerts
from partners.queue import park

# amid_an_hour: a mail is sent once per day (UTC), so no day may begin within a test.
pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("amid_an_hour")]

NAMES = ("erased-anna", "erased-ben")
SUBJECT = "People who must leave are still in audiences of Acme"
DAY = timedelta(days=1)


@pytest.fixture
def blocked_erasure(world, alice, settings, tmp_path):
    """Two people erased from two audiences while the token is rejected."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    people = world.create_people(2)
    for person, name in zip(people, NAMES, strict=True):
        person.external_id, person.email = name, f"{name}@example.org"
        person.save()
    for name in ("one", "two"):
        world.enter(world.create_sync(world.create_audience(name)), people)
    world.drain()
    world.sandbox.accounts.revoke(world.remote_token)
    erase.erase(
        world.app_group, [person.pk for person in people], asked_by="Alice", now=timezone.now()
    )
    erase.proceed(now=timezone.now())
    world.flush()
    return world


def mails(mailoutbox, at):
    """Return the mails about erasures that two runs at this time send."""
    mailoutbox.clear()
    alerts.send_due(now=at)
    alerts.send_due(now=at)
    return [mail for mail in mailoutbox if mail.subject == SUBJECT]


def test_admins_are_mailed_once_a_day(blocked_erasure, mailoutbox, bob):
    now = timezone.now()
    for day in range(3):
        [mail] = mails(mailoutbox, now + day * DAY)
        assert mail.to == ["alice@example.org"]  # not bob, a marketer
        assert mail.body.startswith("2 people were erased here")
        assert "30 days" in mail.body
        assert "/g/acme/partners/tiktok/" in mail.body


def test_the_mail_names_no_person(blocked_erasure, mailoutbox):
    [mail] = mails(mailoutbox, timezone.now())
    assert not any(name in mail.body for name in NAMES)


def test_an_inactive_admin_is_not_mailed(blocked_erasure, mailoutbox, alice):
    alice.is_active = False
    alice.save()
    assert mails(mailoutbox, timezone.now()) == []


def test_a_disconnect_does_not_end_the_alert(blocked_erasure, mailoutbox, alice):
    connect.disconnect(blocked_erasure.connection, discard=False, by=alice, now=timezone.now())
    assert len(mails(mailoutbox, timezone.now())) == 1


def test_a_removal_that_is_not_blocked_is_not_mailed(blocked_erasure, mailoutbox):
    Connection.objects.update(**park.NOT_PARKED)
    assert mails(mailoutbox, timezone.now()) == []
