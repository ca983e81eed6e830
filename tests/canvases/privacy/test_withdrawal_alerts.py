"""A withdrawal while TikTok is disconnected is sent after a reconnect; admins are mailed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.writing.upsert import upsert
from canvases.privacy import erase
from partners import sync
from partners.connections import connect
from partners.models import AdAccount, Batch
from partners.notices import alerts
from partners.queue import flush
from tiktok_sandbox.seed import MARA

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("amid_an_hour")]

EXTERNAL_ID, EMAIL = "customer-anna", "anna@example.org"
WAITING = "People who must leave are still in audiences of Acme"
EXPIRED = "People were not taken out of audiences of Acme"


@pytest.fixture
def audience(world, alice, settings, tmp_path):
    """An audience with one person who withdrew consent while there was no token."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    world.app_group.remove_on_withdrawal = True
    world.app_group.save()
    audience, [person] = world.create_audience(), world.create_people()
    person.external_id, person.email = EXTERNAL_ID, EMAIL
    person.save()
    world.enter(world.create_sync(audience), [person])
    world.drain()
    connect.disconnect(world.connection, discard=False, by=alice, now=timezone.now())
    upsert(
        world.app_group,
        [Change(external_id=person.external_id, fields={"ads_consent": False})],
        now=timezone.now(),
    )
    erase.beat()
    flush.beat()
    return audience


def later(**time):
    """Shift the retry window of pending batches into the past."""
    waiting = Batch.objects.filter(state="pending")
    for batch in waiting:
        waiting.filter(pk=batch.pk).update(
            first_failed_at=batch.first_failed_at - timedelta(**time),
            deadline_at=batch.deadline_at - timedelta(**time),
        )
    flush.beat()


def test_a_removal_is_sent_after_a_late_reconnect(world, audience):
    later(days=29)
    world.connection.set_token(world.sandbox.accounts.issue_token(MARA))
    world.connection.save()
    AdAccount.objects.update(is_chosen=True)
    sync.retry_now(world.connection)
    world.drain()
    assert world.members(audience) == 0


def test_admins_are_mailed_while_a_removal_waits(audience, mailoutbox):
    alerts.send_due(now=timezone.now())
    [mail] = [mail for mail in mailoutbox if mail.subject == WAITING]
    assert mail.body.startswith("1 person was erased here or withdrew their consent")
    assert not any(name in mail.body for name in (EXTERNAL_ID, EMAIL))


def test_the_mail_about_an_expired_removal_links_to_the_partner_page(audience, mailoutbox):
    later(days=30)
    mailoutbox.clear()
    now = timezone.now()
    alerts.send_due(now=now)
    alerts.send_due(now=now)
    [mail] = mailoutbox
    assert (mail.subject, mail.to) == (EXPIRED, ["alice@example.org"])
    assert "/g/acme/partners/tiktok/" in mail.body


def test_removals_cause_no_deadline_alert_of_steps(audience, mailoutbox):
    later(days=29, hours=23, minutes=30)
    mailoutbox.clear()
    alerts.send_due(now=timezone.now())
    assert "People will soon count as errors in Acme" not in [mail.subject for mail in mailoutbox]
