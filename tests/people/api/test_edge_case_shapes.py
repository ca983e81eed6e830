"""Edge cases of bodies: lists with two verbs, no devices, contexts, field names in errors."""

import pytest

from audiencesync.people.models import Profile


def refusal(api, live_canvas, recipient):
    body = {"canvas_id": str(live_canvas.api_id), "recipients": [recipient]}
    (error,) = api.post("/canvas/trigger/send", body).json()["errors"]
    return error


def test_one_object_adds_to_and_removes_from_a_list(api, person):
    api.track(attributes=[{"external_id": "a", "tags": ["a", "b"]}])
    api.track(attributes=[{"external_id": "a", "tags": {"add": ["c"], "remove": ["a"]}}])
    assert person("a").attributes == {"tags": ["b", "c"]}


@pytest.mark.parametrize(
    ("change", "values"),
    [
        (
            {"add": [{"a": True, "b": 2}, [1.0]]},
            [{"a": 1, "b": 2}, [1], {"a": True, "b": 2}, [1.0]],
        ),
        ({"add": [{"b": 2, "a": 1}]}, [{"a": 1, "b": 2}, [1]]),
        ({"remove": [{"a": True, "b": 2}, [True]]}, [{"a": 1, "b": 2}, [1]]),
    ],
)
def test_values_of_a_list_are_the_same_only_in_their_types_too(api, person, change, values):
    api.track(attributes=[{"external_id": "a", "tags": [{"a": 1, "b": 2}, [1]]}])
    api.track(attributes=[{"external_id": "a", "tags": change}])
    # repr: == holds for true and 1
    assert repr(person("a").attributes["tags"]) == repr(values)


@pytest.mark.parametrize("change", [{"add": ["c"], "remove": "a"}, {"add": None, "remove": ["a"]}])
def test_a_half_valid_list_change_changes_nothing(api, person, change):
    api.track(attributes=[{"external_id": "a", "tags": ["a", "b"]}])
    body = api.track(attributes=[{"external_id": "a", "tags": change}])
    assert body["errors"][0]["type"] == "NOT_A_LIST"
    assert person("a").attributes == {"tags": ["a", "b"]}


def test_empty_devices_delete_the_ids_and_keep_the_tracking_refusal(api, person):
    ids = {
        "idfa": "6D92078A-8246-4BA4-AE5B-76104861E7DC",
        "google_ad_id": "cdda802e-fb9c-47ad-9866-0794d394c912",
    }
    api.track(attributes=[{"external_id": "a", "ad_tracking_enabled": False} | ids])
    api.track(attributes=[{"external_id": "a", "devices": None}])
    profile = person("a")
    assert (profile.idfa, profile.idfa_sha256, profile.gaid, profile.gaid_sha256) == (
        "",
        None,
        "",
        None,
    )
    assert profile.ad_tracking_enabled is False


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("iphone", "android", "sent"),
    [
        (False, True, ("", "android", True)),
        (True, False, ("iphone", "", True)),
        (False, None, ("iphone", "android", False)),
        (True, None, ("iphone", "android", True)),
    ],
)
def test_a_device_that_refuses_tracking_is_not_sent_by_another_permission(
    api, person, order, iphone, android, sent
):
    ids = {
        "iphone": "6d92078a-8246-4ba4-ae5b-76104861e7dc",
        "android": "cdda802e-fb9c-47ad-9866-0794d394c912",
        "": "",
    }
    api.track(attributes=[{"external_id": "a", "idfa": ids["iphone"], "google_ad_id": "x"}])
    devices = [
        {"idfa": ids["iphone"], "ad_tracking_enabled": iphone},
        {"google_ad_id": ids["android"], "ad_tracking_enabled": android},
    ]
    api.track(attributes=[{"external_id": "a", "devices": devices[::order]}])

    profile = person("a")
    stored = (ids[sent[0]], ids[sent[1]], sent[2])
    assert (profile.idfa, profile.gaid, profile.ad_tracking_enabled) == stored
    assert (profile.idfa_sha256 is None, profile.gaid_sha256 is None) == (not sent[0], not sent[1])


def test_ad_tracking_is_exported_without_a_device_id(api):
    api.track(attributes=[{"external_id": "a", "ad_tracking_enabled": False}, {"external_id": "b"}])
    users = api.post("/users/export/ids", {"external_ids": ["a", "b"]}).json()["users"]
    device = {"idfa": None, "google_ad_id": None, "ad_tracking_enabled": False}
    assert [user["devices"] for user in users] == [[device], []]


@pytest.mark.parametrize("name", ["context", "canvas_entry_properties"])
@pytest.mark.parametrize(
    ("value", "code"),
    [("x", "NOT_AN_OBJECT"), ([1], "NOT_AN_OBJECT"), ({"x": "y" * 50_000}, "TOO_LARGE")],
)
def test_a_bad_context_of_a_recipient_is_reported(api, live_canvas, name, value, code):
    error = refusal(api, live_canvas, {"external_user_id": "a", name: value})
    assert (error["type"], error["field"]) == (code, name)


def test_an_error_names_the_field_as_sent(api, live_canvas):
    assert refusal(api, live_canvas, {"external_user_id": 5.5})["field"] == "external_user_id"
    two = {"user_alias": {"alias_name": "n", "alias_label": "l"}, "external_user_id": "a"}
    assert refusal(api, live_canvas, two)["type"] == "TOO_MANY_IDENTIFIERS"


@pytest.mark.parametrize("name", ["max@example.org", "+49 151 12345678", "015112345678"])
def test_a_field_name_that_looks_like_personal_data_is_not_repeated(api, name):
    answer = api.track(attributes=[{"external_id": "a", name: "x" * 256}])
    assert (answer["errors"][0]["type"], "field" in answer["errors"][0]) == ("TEXT_TOO_LONG", False)
    assert name not in str(answer)


def test_a_plain_field_name_is_repeated(api):
    answer = api.track(attributes=[{"external_id": "a", "Größe 2": "x" * 256}])
    assert answer["errors"][0]["field"] == "Größe 2"


@pytest.mark.parametrize("day", ["2026-99-99", "2026-02-30", "0000-01-01"])
def test_an_invalid_date_of_birth_is_dropped(api, day):
    answer = api.track(attributes=[{"external_id": "a", "dob": day, "plan": "gold"}])
    assert answer["errors"][0]["type"] == "BAD_DATE_OF_BIRTH"
    assert Profile.objects.get().attributes == {"plan": "gold"}
