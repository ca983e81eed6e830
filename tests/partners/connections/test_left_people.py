"""Removals of people who left count for the step they left: in risks, mails and disconnects."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from partners import risks, sync
from partners.connections import affected, connect
from partners.models import AdAccount, Batch, Connection, Sync
from partners.notices import alerts
from partners.queue import flush

pytestmark = pytest.mark.thorough


@pytest.fixture
def add_sync(world):
    """The Sync of the step Winback. It added three people; the removal of two is pending."""
    step_sync, people = world.create_sync(label="Winback", url="/winback"), world.create_people(3)
    world.enter(step_sync, people)
    world.drain()
    with transaction.atomic():
        sync.withdraw(step_sync, [person.pk for person in people[:2]], now=timezone.now())
    return step_sync


@pytest.fixture
def removal_sync(add_sync):
    return Sync.objects.get(undoes=add_sync)


def test_pending_removals_are_a_risk_of_the_step(add_sync):
    assert risks.of_sync(add_sync).people == 2


def test_removals_are_retried_as_long_as_adds(removal_sync, settings):
    # Without a token, the removals are blocked, which starts their retry window.
    Connection.objects.update(token_sealed="")
    flush.age_blocked(now=timezone.now())
    batch = Batch.objects.get(sync=removal_sync)
    assert batch.deadline_at - batch.first_failed_at == timedelta(seconds=settings.SYNC.deadline)


def test_a_missed_deadline_is_mailed_to_the_member_who_connected(removal_sync, alice, mailoutbox):
    Connection.objects.update(connected_by=alice)
    now = timezone.now()
    Batch.objects.filter(sync=removal_sync).update(
        state="errored", settled_at=now, deadline_at=now - timedelta(minutes=1)
    )
    alerts.send_due(now=now)
    assert [mail.subject for mail in mailoutbox] == ["People were not sent to TikTok in Acme"]
    assert "- Winback: 2 people, http" in mailoutbox[0].body


def test_a_missed_deadline_is_not_mailed_again_after_midnight(removal_sync, alice, mailoutbox):
    Connection.objects.update(connected_by=alice)
    late = datetime(2026, 11, 29, 23, 50, tzinfo=UTC)
    expired = {"state": "errored", "settled_at": late, "deadline_at": late}
    Batch.objects.filter(sync=removal_sync).update(**expired)
    for minutes in (0, 5, 15):
        alerts.send_due(now=late + timedelta(minutes=minutes))
    assert len(mailoutbox) == 1
    next_day = late + timedelta(hours=10)
    Batch.objects.filter(sync=removal_sync).update(settled_at=next_day, deadline_at=next_day)
    alerts.send_due(now=next_day)
    assert len(mailoutbox) == 2


def test_a_disconnect_names_the_step_and_keeps_removals_for_a_reconnect(
    add_sync, removal_sync, world, alice
):
    # A step that is not live is named for its pending people alone.
    Sync.objects.update(is_live=False)
    [step] = affected.steps_of(world.eu)
    assert (step.label, step.url, step.n_pending) == ("Winback", "/winback", 2)
    # Only adds are discarded: nothing would enqueue the removals a second time.
    connect.disconnect(world.eu, discard=True, by=alice, now=timezone.now())
    assert world.counts(removal_sync) == {"entered": 2, "pending": 2}
    AdAccount.objects.filter(pk=world.eu.pk).update(is_chosen=True)  # as a reconnect does
    world.drain()
    assert world.members(add_sync.audience) == 1
