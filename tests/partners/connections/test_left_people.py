"""Removals of people who left are those of their step: in problems, mails and disconnects."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from partners import risks, sync
from partners.connections import affected, connect
from partners.models import Batch, Connection, Sync
from partners.notices import alerts
from partners.queue import flush

pytestmark = pytest.mark.thorough


@pytest.fixture
def left(world):
    """Two of three people left the step Winback. Shape: (add Sync, the Sync that undoes it)."""
    one, people = world.create_sync(label="Winback", url="/winback"), world.create_people(3)
    world.enter(one, people)
    world.drain()
    with transaction.atomic():
        sync.withdraw(one, [person.pk for person in people[:2]], now=timezone.now())
    return one, Sync.objects.get(undoes=one)


def test_pending_removals_are_a_stake_of_the_step(left):
    assert risks.of_sync(left[0]).people == 2


def test_they_are_tried_as_long_as_what_a_step_asks(left, settings):
    Connection.objects.update(token_sealed="")
    flush.age_blocked(now=timezone.now())
    batch = Batch.objects.get(sync=left[1])
    assert batch.deadline_at - batch.first_failed_at == timedelta(seconds=settings.SYNC.deadline)


def test_a_missed_deadline_is_mailed_to_who_connected(left, alice, mailoutbox):
    Connection.objects.update(connected_by=alice)
    now = timezone.now()
    Batch.objects.filter(sync=left[1]).update(
        state="errored", settled_at=now, deadline_at=now - timedelta(minutes=1)
    )
    alerts.send_due(now=now)
    assert [mail.subject for mail in mailoutbox] == ["People were not sent to TikTok in Acme"]
    assert "- Winback: 2 people, http" in mailoutbox[0].body


def test_a_missed_deadline_is_not_mailed_again_after_midnight(left, alice, mailoutbox):
    Connection.objects.update(connected_by=alice)
    late = datetime(2026, 11, 29, 23, 50, tzinfo=UTC)
    expired = {"state": "errored", "settled_at": late, "deadline_at": late}
    Batch.objects.filter(sync=left[1]).update(**expired)
    for minutes in (0, 5, 15):
        alerts.send_due(now=late + timedelta(minutes=minutes))
    assert len(mailoutbox) == 1
    next_day = late + timedelta(hours=10)
    Batch.objects.filter(sync=left[1]).update(settled_at=next_day, deadline_at=next_day)
    alerts.send_due(now=next_day)
    assert len(mailoutbox) == 2


def test_a_disconnect_names_the_step_and_keeps_them_for_a_reconnect(left, world, alice):
    Sync.objects.update(is_live=False)
    [step] = affected.steps_of(world.eu)
    assert (step.label, step.url, step.n_pending) == ("Winback", "/winback", 2)
    connect.disconnect(world.eu, discard=True, by=alice, now=timezone.now())
    assert world.counts(left[1]) == {"entered": 2, "pending": 2}
    type(world.eu).objects.filter(pk=world.eu.pk).update(is_chosen=True)
    world.drain()
    assert world.members(left[0].audience) == 1
