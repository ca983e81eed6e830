"""A rehearsal sends nothing, and shows the request that is sent later, byte for byte."""

import pytest
import responses
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import PastIdentifier, Segment
from canvases import engine
from canvases.models import Canvas, Step, Visit
from canvases.steps.decision_split import NO, YES
from partners.models import Delivery, Reason
from partners.queue import flush

pytestmark = pytest.mark.django_db


class Flow:
    """A canvas that sends people with an e-mail address: split, Audience Sync, exit."""

    def __init__(self, world, user, **fields):
        group = world.app_group
        segment = Segment.objects.create(app_group=group, name="Everybody", filter={})
        self.world, self.user = world, user
        self.canvas = Canvas.objects.create(app_group=group, name="Cart", segment=segment)
        settings = {"filter": {"field": "email", "op": "exists"}}
        self.split = self.add("decision_split", None, 0, settings=settings)
        self.sync = world.create_sync(is_live=False, **fields)
        self.send = self.add("audience_sync", self.split, YES, sync=self.sync)
        self.add("exit", self.split, NO)

    def add(self, kind, parent, branch, **fields):
        place = {"parent": parent, "branch": branch}
        return Step.objects.create(canvas=self.canvas, kind=kind, **place, **fields)

    def launch(self):
        engine.launch(self.canvas, by=self.user, now=timezone.now())
        while engine.move_all(now=timezone.now()):
            pass
        flush.Flush(seconds=3).run()


@pytest.fixture
def flow(world, alice):
    """flow(**fields of the Sync) -> a Flow."""
    return lambda **fields: Flow(world, alice, **fields)


@pytest.mark.parametrize(
    ("action", "kinds", "fields"),
    [
        ("add", ("email",), {}),
        ("add", ("email", "phone", "gaid"), {}),
        ("remove", ("email", "phone"), {}),
        ("remove", ("email", "phone"), {"email_sha256": None, "phone_sha256": None}),
    ],
)
def test_the_request_is_sent_byte_for_byte(world, flow, rehearse, settings, action, kinds, fields):
    rehearsed = flow(action=action, kinds=kinds)
    hashes = {"phone_sha256": b"p" * 32, "gaid_sha256": b"g" * 32} | fields
    [person] = world.create_people(1, email="a@example.org", ad_tracking_enabled=False, **hashes)
    for n, kind in enumerate(("phone", "email", "idfa")):
        PastIdentifier.objects.create(profile=person, kind=kind, sha256=b"%032d" % n)
    page = rehearse(rehearsed.canvas, person)
    assert page.path == [rehearsed.split.pk, rehearsed.send.pk]
    assert len(page.bodies) == 1

    with responses.RequestsMock() as wire:
        answer = {"code": 0, "message": "OK", "request_id": "R", "data": {}}
        wire.post(f"{settings.TIKTOK_API_URL}/open_api/v1.3/segment/mapping/", json=answer)
        rehearsed.launch()
        assert [call.request.body for call in wire.calls] == page.bodies


def test_nothing_is_sent_or_stored_by_a_rehearsal(world, flow, rehearse):
    rehearsed = flow()
    [person] = world.create_people(1, email="a@example.org")
    rehearse(rehearsed.canvas, person)
    flush.Flush(seconds=1).run()
    assert world.sandbox.log.all() == []
    assert not Delivery.objects.exists()
    assert not Visit.objects.exists()

    rehearsed.launch()
    assert [line.people for line in world.mappings()] == [1]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ads_consent": False}, "no_consent"),
        ({"ads_consent": None}, "no_consent"),
        ({"email_sha256": None, "invalid_kinds": 1}, "invalid_value"),
        ({"email_sha256": None}, "no_identifier"),
    ],
)
def test_who_is_not_sent_is_not_sent_for_the_same_reason(world, flow, rehearse, fields, reason):
    rehearsed = flow()
    AppGroup.objects.update(consent_required=True)
    [person] = world.create_people(1, **{"email": "a", "ads_consent": True} | fields)
    page = rehearse(rehearsed.canvas, person)
    assert page.bodies == []

    rehearsed.launch()
    delivery = Delivery.objects.get()
    assert delivery.reason == reason
    assert str(Reason(reason).label) in page.stop(rehearsed.send)


def test_a_viewer_sees_shortened_hashes_and_masked_identifiers(world, flow, rehearse, vera):
    rehearsed = flow()
    [person] = world.create_people(1, email="anna@example.org")
    [body] = rehearse(rehearsed.canvas, person, user=vera).bodies
    [whole] = rehearse(rehearsed.canvas, person).bodies
    sha256 = person.email_sha256.hex()
    assert sha256 in whole.decode()
    assert whole.decode().replace(sha256, f"{sha256[:8]}…") == body.decode()
    assert "a***@e***.org" in rehearse(rehearsed.canvas, person).text
    assert "anna@example.org" not in rehearse(rehearsed.canvas, person, user=vera).text
