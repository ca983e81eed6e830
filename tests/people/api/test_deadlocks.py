"""Calls that lock the same rows do not deadlock, and write nothing to an erased profile."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from audiencesync.people.models import Event, Profile, Segment, UserAlias
from audiencesync.people.writing.identify import Identity, identify
from canvases import engine
from canvases.models import Canvas, Step
from tests.support.rest_api import Caller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
VISITOR = {"user_alias": {"alias_label": "device", "alias_name": "d1"}}


class Calls:
    """Call the API in threads.

    Each call starts after the one before has had time to wait for a lock.
    """

    def __init__(self, key):
        self.key, self.threads, self.statuses = key, [], []

    def start(self, path, body, **headers):
        def run():
            try:
                self.statuses.append(Caller(self.key).post(path, body, **headers).status_code)
            finally:
                connection.close()

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        self.threads[-1].join(0.7)

    def end(self):
        for thread in self.threads:
            thread.join(30)
        return self.statuses


@pytest.fixture
def calls(acme, issue_key):
    return Calls(issue_key(acme))


@pytest.fixture
def ann(acme):
    return Profile.objects.create(app_group=acme, external_id="ann")


@pytest.fixture
def visitor(acme, ann):
    profile = Profile.objects.create(app_group=acme)
    UserAlias.objects.create(app_group=acme, profile=profile, label="device", name="d1")
    return profile


def test_a_trigger_with_an_idempotency_key_beside_an_erasure(acme, alice, ann, calls):
    segment = Segment.objects.create(app_group=acme, name="Everybody")
    canvas = Canvas.objects.create(app_group=acme, name="Cart", segment=segment)
    Step.objects.create(canvas=canvas, kind="delay", settings={"amount": 1, "unit": "days"})
    engine.launch(canvas, by=alice, now=timezone.now())
    recipient = {"external_user_id": "ann", "attributes": {"cart": 1}}
    with transaction.atomic():
        Canvas.objects.select_for_update().get(pk=canvas.pk)
        calls.start("/users/delete", {"external_ids": ["ann"]})
        calls.start(
            "/canvas/trigger/send",
            {"canvas_id": str(canvas.api_id), "recipients": [recipient]},
            Idempotency_Key="1",
        )
    assert sorted(calls.end()) in ([201, 201], [201, 400])  # 400: erased before the trigger


def test_data_of_a_visitor_identified_meanwhile_goes_to_the_merged_profile(
    acme, ann, visitor, calls
):
    event = VISITOR | {"name": "Bought", "time": "2026-11-23T14:05:00Z"}
    with transaction.atomic():
        identity = Identity(("alias", ("device", "d1")), "ann")
        assert identify(acme, [identity], now=timezone.now()) == [None]
        calls.start(
            "/users/track",
            {"attributes": [VISITOR | {"email": "ann@example.org"}], "events": [event]},
        )
    assert calls.end() == [201]
    ann.refresh_from_db()
    assert ann.email == "ann@example.org"
    assert Event.objects.get().profile == ann


def test_identify_beside_updates_of_both_profiles(acme, ann, visitor, calls):
    updates = [
        {"external_id": "new"},
        {"external_id": "ann", "country": "DE"},
        VISITOR | {"country": "DE"},
    ]
    with transaction.atomic():
        Profile.objects.select_for_update().get(pk=ann.pk)
        calls.start("/users/track", {"attributes": updates})
        calls.start("/users/identify", {"aliases_to_identify": [VISITOR | {"external_id": "new"}]})
    assert calls.end() == [201, 201]
    assert Profile.objects.count() == 2
