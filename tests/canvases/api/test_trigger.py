"""POST /canvas/trigger/send admits the named people to a canvas at once."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from canvases import engine, laws
from canvases.models import Canvas, Visit

PATH = "/canvas/trigger/send"


@pytest.fixture
def canvas(live_canvas):
    """A canvas that was launched with an empty segment."""
    engine.admit(live_canvas.pk, now=timezone.now())
    return live_canvas


@pytest.fixture
def ann(acme, canvas):
    """A person added after the launch."""
    return Profile.objects.create(app_group=acme, external_id="ann")


def send(api, canvas, *recipients, status=201, **more):
    body = {"canvas_id": str(canvas.api_id), "recipients": list(recipients)} | more
    answer = api.post(PATH, body)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_recipient_enters(api, canvas, ann):
    body = send(
        api, canvas, {"external_user_id": "ann"}, canvas_entry_properties={"cart": 1}, context={}
    )
    assert (body["message"], body["entered"]) == ("success", 1)
    assert len(body["dispatch_id"]) == 32
    assert "errors" not in body
    assert Visit.objects.get().profile == ann
    assert laws.broken(now=timezone.now()) == []


def test_a_recipient_enters_once(api, canvas, ann):
    send(api, canvas, {"external_user_id": "ann"}, {"external_user_id": "ann"})
    assert send(api, canvas, {"external_user_id": "ann"})["entered"] == 0
    canvas.refresh_from_db()
    assert (canvas.entered, Visit.objects.count()) == (1, 1)


def test_a_recipient_outside_the_segment_does_not_enter(api, canvas, ann):
    filter_ = {"all": [{"field": "country", "op": "is", "value": "DE"}]}
    Segment.objects.update(filter=filter_)
    before = send(api, canvas, {"external_user_id": "ann"})
    after = send(api, canvas, {"external_user_id": "ann", "attributes": {"country": "DE"}})
    assert (before["entered"], after["entered"]) == (0, 1)


def test_an_unknown_recipient_is_created_only_on_request(api, canvas):
    body = send(api, canvas, {"external_user_id": "new"}, status=400)
    assert (body["errors"][0]["type"], body["errors"][0]["index"]) == ("UNKNOWN_USER", 0)
    recipient = {
        "external_user_id": "new",
        "send_to_existing_only": False,
        "attributes": {"email": "new@example.org"},
    }
    assert send(api, canvas, recipient)["entered"] == 1
    assert Profile.objects.get(external_id="new").email_sha256 is not None


def test_an_invalid_recipient_does_not_affect_the_others(api, canvas, ann):
    bad = [{"external_user_id": 5.5}, {}, "ann", {"external_user_id": "ann", "attributes": [1]}]
    body = send(api, canvas, *bad, {"external_user_id": "ann"})
    assert body["entered"] == 1
    assert [error["index"] for error in body["errors"]] == [0, 1, 2, 3]


@pytest.mark.parametrize("entry_by", ["segment", "event", "schedule"])
def test_a_canvas_that_people_enter_otherwise_is_an_error(api, canvas, ann, entry_by):
    Canvas.objects.update(entry_by=entry_by)
    for asked in ({"recipients": [{"external_user_id": "ann"}]}, {"broadcast": True}):
        answer = api.post(PATH, {"canvas_id": str(canvas.api_id)} | asked)
        assert answer.status_code == 400
        assert "not API-triggered" in answer.json()["message"]
    assert not Visit.objects.exists()


def test_a_recipient_enters_a_canvas_by_api_and_one_without_a_segment(api, canvas, ann):
    Canvas.objects.update(entry_by="call", segment=None)
    body = {"canvas_id": str(canvas.api_id), "broadcast": True}
    assert api.post(PATH, body).status_code == 400
    assert send(api, canvas, {"external_user_id": "ann"})["entered"] == 1


@pytest.mark.parametrize("state", ["draft", "stopped", "archived"])
def test_a_canvas_that_is_not_live_returns_a_notice(api, canvas, ann, state):
    Canvas.objects.update(state=state)
    body = send(api, canvas, {"external_user_id": "ann"})
    assert (body["entered"], body["message"]) == (0, "success")
    assert state in body["notice"]
    assert not Visit.objects.exists()


def test_a_broadcast_admits_people_added_after_the_launch(api, canvas, ann):
    answer = api.post(PATH, {"canvas_id": str(canvas.api_id), "broadcast": True})
    assert answer.status_code == 201
    engine.move_all(now=timezone.now())
    assert Visit.objects.get().profile == ann


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"recipients": []},
        {"recipients": [{"external_user_id": "ann"}], "broadcast": True},
        {"recipients": [{"external_user_id": "ann"}] * 51},
        {"recipients": [{"external_user_id": "ann"}], "audience": {"AND": []}},
        {"recipients": [{"external_user_id": "ann"}], "context": {"x": "y" * 50_000}},
        {"recipients": "ann"},
    ],
)
def test_an_invalid_request_is_rejected(api, canvas, ann, body):
    answer = api.post(PATH, {"canvas_id": str(canvas.api_id)} | body)
    assert answer.status_code == 400
    assert not Visit.objects.exists()


def test_a_canvas_of_another_group_is_unknown(api, other_group, ann):
    foreign = Canvas.objects.create(app_group=other_group, name="Not yours", state="live")
    send(api, foreign, {"external_user_id": "ann"}, status=400)


def test_a_recipient_of_another_group_is_unknown(api, canvas, other_group):
    Profile.objects.create(app_group=other_group, external_id="eve")
    assert (
        send(api, canvas, {"external_user_id": "eve"}, status=400)["errors"][0]["type"]
        == "UNKNOWN_USER"
    )
