"""Calls that identify people beside calls about the same people in another order: no circle of waits."""

from functools import partial

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile
from audiencesync.people.writing.identify import Identity, identify
from audiencesync.people.writing.upsert import upsert
from tests.support.threads import Threads

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
N, ROUNDS = 30, 4


def wishes(turn):
    mails = [f"v{turn}-{i}@example.org" for i in range(N)]
    keys = [("email", normalise.normalise("email", mail, region="DE").sha256) for mail in mails]
    return [Identity(key, f"p{turn}-{i}") for i, key in enumerate(keys)][::-1]


def test_all_get_through(acme):
    for turn in range(ROUNDS):
        upsert(
            acme, [Change(email=f"v{turn}-{i}@example.org") for i in range(N)], now=timezone.now()
        )
        changes = [Change(external_id=f"p{turn}-{i}", fields={"country": "DE"}) for i in range(N)]
        upsert(acme, changes, now=timezone.now())
        again = [Change(external_id=one.external_id, fields={"country": "AT"}) for one in changes]
        threads = Threads()
        for work, told in (
            (identify, wishes(turn)),
            (upsert, again),
            (upsert, changes),
            (upsert, again),
        ):
            threads.start(partial(work, acme, told, now=timezone.now()))
        assert threads.join() == []
    assert Profile.objects.count() == N * ROUNDS
