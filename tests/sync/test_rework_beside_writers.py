"""The pass over changed settings beside a call that holds a person, then writes a row of the group: no circle of waits."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from audiencesync.people import consent, rows
from audiencesync.people.models import Profile, Withdrawal

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ann(acme):
    AppGroup.objects.filter(pk=acme.pk).update(rework_cursor=0)
    return Profile.objects.create(app_group=acme, external_id="ann")


def test_both_get_through(acme, ann):
    errors, held = [], threading.Event()

    def rework():
        held.wait(10)
        try:
            consent.rework()
        except Exception as error:  # noqa: BLE001 - whatever a thread meets belongs to the test
            errors.append(error)
        finally:
            connection.close()

    other = threading.Thread(target=rework)
    other.start()
    with transaction.atomic():
        assert rows.locked(acme.pk, [ann.pk])
        held.set()
        other.join(0.5)  # it waits for Ann by now, holding the group
        consent.remember(acme, [ann.pk], now=timezone.now())
    other.join(30)
    assert errors == []
    assert Withdrawal.objects.count() == 1
    acme.refresh_from_db()
    assert acme.rework_cursor is None
