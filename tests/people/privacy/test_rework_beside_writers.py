"""The rework pass does not deadlock with a call that locks a profile, then its group."""

import threading

import pytest
from django.db import transaction
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile, Withdrawal
from audiencesync.people.privacy import consent
from audiencesync.people.writing import rework, rows
from tests.support.threads import Threads

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ann(acme):
    AppGroup.objects.filter(pk=acme.pk).update(rework_cursor=0)
    return Profile.objects.create(app_group=acme, external_id="ann")


def test_rework_and_a_writer_both_finish(acme, ann):
    threads, held = Threads(), threading.Event()

    def run_rework():
        held.wait(10)
        rework.rework()

    other = threads.start(run_rework)
    with transaction.atomic():
        assert rows.lock(acme.pk, [ann.pk])
        held.set()
        other.join(0.5)  # by now it holds the group and waits for Ann
        consent.record_withdrawals(acme, [ann.pk], now=timezone.now())
    assert threads.join() == []
    assert Withdrawal.objects.count() == 1
    acme.refresh_from_db()
    assert acme.rework_cursor is None
