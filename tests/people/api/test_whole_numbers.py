"""A whole number as an id equals its decimal text in every call."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Profile, UserAlias
from canvases import engine

ALIAS = {"alias_name": 77, "alias_label": 3}
WHEN = "2026-11-01T10:00:00Z"


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


def post(api, path, body, status=201):
    answer = api.post(path, body)
    assert answer.status_code == status, answer.content
    return answer.json()


def test_a_number_tracks_the_profile_of_its_digits(api):
    purchase = {"external_id": 42, "product_id": 7, "currency": "EUR", "price": 1, "time": WHEN}
    api.track(
        attributes=[{"external_id": 42, "plan": "x"}, {"external_id": "42", "n": 1}],
        purchases=[purchase],
    )
    assert Profile.objects.get().external_id == "42"
    assert Event.objects.get().name == "7"


def test_numbers_are_ids_in_every_call(api, acme, live_canvas):
    engine.admit(live_canvas.pk, now=timezone.now())
    api.track(attributes=[{"external_id": n} for n in (400, 401, 402)])
    body = post(api, "/users/alias/new", {"user_aliases": [ALIAS | {"external_id": 400}]})
    assert body["aliases_processed"] == 1
    assert (UserAlias.objects.get().label, UserAlias.objects.get().name) == ("3", "77")
    assert api.track(attributes=[{"user_alias": ALIAS, "plan": "x"}])["attributes_processed"] == 1
    sent = {
        "canvas_id": str(live_canvas.api_id),
        "recipients": [{"external_user_id": 401}, {"user_alias": ALIAS}],
    }
    assert post(api, "/canvas/trigger/send", sent)["entered"] == 2
    exported = post(api, "/users/export/ids", {"external_ids": [400, 5], "user_aliases": [ALIAS]})
    assert ([user["external_id"] for user in exported["users"]], exported["invalid_user_ids"]) == (
        ["400"],
        ["5"],
    )
    assert post(api, "/users/delete", {"external_ids": [400, 401, 402]})["deleted"] == 3


def test_a_number_identifies_a_visitor(api):
    post(api, "/users/alias/new", {"user_aliases": [ALIAS]})
    body = {"aliases_to_identify": [{"external_id": 5, "user_alias": ALIAS}]}
    assert post(api, "/users/identify", body)["aliases_processed"] == 1
    assert Profile.objects.get().external_id == "5"


@pytest.mark.parametrize("wrong", [True, 1.5, 1.0, [1], {"a": 1}])
@pytest.mark.parametrize(
    ("path", "build"),
    [
        ("/users/track", lambda x: {"attributes": [{"external_id": x}]}),
        ("/users/alias/new", lambda x: {"user_aliases": [{"alias_name": x, "alias_label": "l"}]}),
        (
            "/users/identify",
            lambda x: {"aliases_to_identify": [{"external_id": x, "user_alias": ALIAS}]},
        ),
        ("/users/delete", lambda x: {"external_ids": [x]}),
        ("/users/export/ids", lambda x: {"external_ids": [x]}),
    ],
)
def test_another_json_type_is_no_id(api, acme, path, build, wrong):
    assert post(api, path, build(wrong), 400)["message"] != "success"
    assert not Profile.objects.exists()


def test_a_call_that_did_nothing_is_no_success(api, live_canvas):
    unknown = {"external_user_id": "nobody"}
    bodies = {
        "/users/alias/new": {"user_aliases": [{"alias_name": "", "alias_label": "l"}]},
        "/users/identify": {"emails_to_identify": [{"external_id": "a", "email": "a@example.org"}]},
        "/users/delete": {"external_ids": ["nobody"]},
        "/canvas/trigger/send": {
            "canvas_id": str(live_canvas.api_id),
            "recipients": [unknown, None],
        },
    }
    for path, body in bodies.items():
        assert post(api, path, body, 400)["errors"], path


def test_a_nested_alias_is_accepted(api):
    api.track(attributes=[{"external_id": "a"}])
    nested = {"external_id": "a", "user_alias": {"alias_name": "n", "alias_label": "l"}}
    assert post(api, "/users/alias/new", {"user_aliases": [nested]}) == {
        "message": "success",
        "aliases_processed": 1,
    }
    assert UserAlias.objects.get().profile.external_id == "a"
