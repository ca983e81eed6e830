"""Canvases, steps, segments and audiences have one opaque id on every face of the API, and no number leads to them."""

from uuid import UUID

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases import engine
from partners.models import AdAccount, Audience, Connection


@pytest.fixture
def ids(api, acme, launched):
    """The ids that the lists tell."""
    connection = Connection.objects.create(app_group=acme, connected_at=timezone.now())
    account = AdAccount.objects.create(connection=connection, remote_id="7000", name="EU")
    Audience.objects.create(ad_account=account, remote_id="1001", name="winback")
    lists = {"canvases": "/canvas/list", "segments": "/segments/list", "audiences": "/audiences"}
    return {name: api.get(path).json()[name][0]["id"] for name, path in lists.items()}


def test_every_id_is_a_uuid_and_none_is_told_twice(ids, api):
    details = api.get("/canvas/details", {"canvas_id": ids["canvases"]}).json()
    told = [*ids.values(), *(step["id"] for step in details["steps"])]
    assert [str(UUID(one)) for one in told] == told
    assert len(set(told)) == len(told) == 4


def test_what_a_list_tells_every_other_call_takes(ids, api, acme, launched):
    Profile.objects.create(app_group=acme, external_id="ann")
    wanted = {"canvas_id": ids["canvases"], "length": 1, "include_step_breakdown": "true"}
    details = api.get("/canvas/details", wanted).json()
    (day,) = api.get("/canvas/data_series", wanted).json()["data"]["stats"]
    assert list(day["step_stats"]) == [step["id"] for step in details["steps"]]
    assert details["variants"][0]["id"] == ids["canvases"]
    body = {"canvas_id": ids["canvases"], "recipients": [{"external_user_id": "ann"}]}
    assert api.post("/canvas/trigger/send", body).status_code == 201
    engine.move_all(now=timezone.now())
    (user,) = api.post("/users/export/ids", {"external_ids": ["ann"]}).json()["users"]
    assert user["canvases_received"][0]["api_canvas_id"] == ids["canvases"]
    assert (
        api.get("/segments/details", {"segment_id": ids["segments"]}).json()["id"]
        == ids["segments"]
    )


def test_the_number_of_a_row_leads_nowhere(ids, api, launched):
    for path in ("/canvas/details", "/canvas/data_series", "/canvas/data_summary"):
        answer = api.get(path, {"canvas_id": launched.pk, "length": 1})
        assert answer.status_code == 400, path
    assert api.get("/segments/details", {"segment_id": launched.segment_id}).status_code == 400
    for number in (launched.pk, str(launched.pk)):
        assert (
            api.post("/canvas/trigger/send", {"canvas_id": number, "broadcast": True}).status_code
            == 400
        )


def test_a_segment_tells_its_filter_in_words_and_its_own_description(api, launched):
    segment = launched.segment
    segment.filter, segment.description = (
        {"all": [{"field": "country", "op": "is", "value": "DE"}]},
        "Germans",
    )
    segment.save()
    told = api.get("/segments/details", {"segment_id": segment.api_id}).json()
    assert (told["text_description"], "DE" in told["description"]) == ("Germans", True)
