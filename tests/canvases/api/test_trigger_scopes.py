"""The scope canvas.trigger admits people; changing their data also needs users.track."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import engine
from canvases.models import Canvas, Visit

PATH = "/canvas/trigger/send"
WRITING = [
    {"attributes": {"ads_consent": True, "email": "attacker@example.org"}},
    {"attributes": {"plan": "gold"}},
    {"external_user_id": "new", "send_to_existing_only": False},
]


@pytest.fixture
def canvas(live_canvas, acme):
    """A live canvas and a person without consent, added after the launch."""
    engine.admit(live_canvas.pk, now=timezone.now())
    Profile.objects.create(app_group=acme, external_id="ann", ads_consent=False)
    return live_canvas


def send(api, canvas, *recipients):
    return api.post(PATH, {"canvas_id": str(canvas.api_id), "recipients": list(recipients)})


def people():
    return list(
        Profile.objects.order_by("pk").values("external_id", "email", "attributes", "ads_consent")
    )


@pytest.mark.parametrize("more", WRITING)
def test_a_trigger_key_changes_no_profile(api, acme, issue_key, canvas, more):
    before, api.key = people(), issue_key(acme, "canvas.trigger")
    answer = send(api, canvas, {"external_user_id": "ann"}, {"external_user_id": "ann"} | more)
    assert (answer.status_code, "users.track" in answer.json()["message"]) == (403, True)
    assert (people(), Visit.objects.count()) == (before, 0)
    api.key = issue_key(acme, "canvas.trigger", "users.track")
    assert send(api, canvas, {"external_user_id": "ann"} | more).status_code == 201
    assert people() != before


@pytest.mark.parametrize(
    "more", [{}, {"attributes": {}}, {"attributes": None}, {"send_to_existing_only": True}]
)
def test_a_trigger_key_admits_people(api, acme, issue_key, canvas, more):
    api.key = issue_key(acme, "canvas.trigger")
    assert send(api, canvas, {"external_user_id": "ann"} | more).json()["entered"] == 1


@pytest.mark.parametrize("state", ["draft", "stopped", "archived"])
@pytest.mark.parametrize("more", WRITING)
def test_no_profile_changes_for_a_canvas_that_is_not_live(api, canvas, state, more):
    before = people()
    Canvas.objects.update(state=state)
    answer = send(api, canvas, {"external_user_id": "ann"} | more).json()
    assert (answer["entered"], state in answer["notice"]) == (0, True)
    assert people() == before
