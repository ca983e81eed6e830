"""Canvases, steps, segments and audiences have one opaque id across the API."""

from uuid import UUID

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import engine
from partners.models import AdAccount, Audience, Connection

pytestmark = pytest.mark.thorough


@pytest.fixture
def ids(api, acme, live_canvas):
    """Return one id of each kind, as the lists give them."""
    connection = Connection.objects.create(
        partner="tiktok", app_group=acme, connected_at=timezone.now()
    )
    account = AdAccount.objects.create(connection=connection, remote_id="7000", name="EU")
    Audience.objects.create(ad_account=account, remote_id="1001", name="winback")
    lists = {"canvases": "/canvas/list", "segments": "/segments/list", "audiences": "/audiences"}
    return {name: api.get(path).json()[name][0]["id"] for name, path in lists.items()}


def test_every_id_is_a_unique_uuid(ids, api):
    details = api.get("/canvas/details", {"canvas_id": ids["canvases"]}).json()
    api_ids = [*ids.values(), *(step["id"] for step in details["steps"])]
    assert [str(UUID(one)) for one in api_ids] == api_ids
    assert len(set(api_ids)) == len(api_ids) == 4


def test_ids_of_the_lists_are_accepted_by_every_other_call(ids, api, acme, live_canvas):
    Profile.objects.create(app_group=acme, external_id="ann")
    params = {"canvas_id": ids["canvases"], "length": 1, "include_step_breakdown": "true"}
    details = api.get("/canvas/details", params).json()
    (day,) = api.get("/canvas/data_series", params).json()["data"]["stats"]
    assert list(day["step_stats"]) == [step["id"] for step in details["steps"]]
    assert details["variants"][0]["id"] == ids["canvases"]
    body = {"canvas_id": ids["canvases"], "recipients": [{"external_user_id": "ann"}]}
    assert api.post("/canvas/trigger/send", body).status_code == 201
    engine.move_all(now=timezone.now())
    (user,) = api.post("/users/export/ids", {"external_ids": ["ann"]}).json()["users"]
    assert user["canvases_received"][0]["api_canvas_id"] == ids["canvases"]
    segment = api.get("/segments/details", {"segment_id": ids["segments"]}).json()
    assert segment["id"] == ids["segments"]


def test_a_primary_key_is_refused(ids, api, live_canvas):
    for path in ("/canvas/details", "/canvas/data_series", "/canvas/data_summary"):
        answer = api.get(path, {"canvas_id": live_canvas.pk, "length": 1})
        assert answer.status_code == 400, path
    assert api.get("/segments/details", {"segment_id": live_canvas.segment_id}).status_code == 400
    for number in (live_canvas.pk, str(live_canvas.pk)):
        body = {"canvas_id": number, "broadcast": True}
        assert api.post("/canvas/trigger/send", body).status_code == 400


def test_segment_details_have_the_filter_and_the_description(api, live_canvas):
    segment = live_canvas.segment
    segment.filter, segment.description = (
        {"all": [{"field": "country", "op": "is", "value": "DE"}]},
        "Germans",
    )
    segment.save()
    details = api.get("/segments/details", {"segment_id": segment.api_id}).json()
    assert (details["text_description"], "DE" in details["description"]) == ("Germans", True)
