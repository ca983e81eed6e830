"""Identify calls do not deadlock with calls about the same people in another order."""

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


def identities(turn):
    emails = [f"v{turn}-{i}@example.org" for i in range(N)]
    keys = [("email", normalise.normalise("email", email, region="DE").sha256) for email in emails]
    return [Identity(key, f"p{turn}-{i}") for i, key in enumerate(keys)][::-1]


def test_concurrent_identify_and_upsert_calls_all_finish(acme):
    for turn in range(ROUNDS):
        upsert(
            acme, [Change(email=f"v{turn}-{i}@example.org") for i in range(N)], now=timezone.now()
        )
        changes = [Change(external_id=f"p{turn}-{i}", fields={"country": "DE"}) for i in range(N)]
        upsert(acme, changes, now=timezone.now())
        again = [
            Change(external_id=change.external_id, fields={"country": "AT"}) for change in changes
        ]
        threads = Threads()
        for function, argument in (
            (identify, identities(turn)),
            (upsert, again),
            (upsert, changes),
            (upsert, again),
        ):
            threads.start(partial(function, acme, argument, now=timezone.now()))
        assert threads.join() == []
    assert Profile.objects.count() == N * ROUNDS
