"""POST /users/delete erases people, POST /users/export/ids exports their data."""

import json
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.models import Erasure, Profile
from canvases.api import people
from canvases.privacy import erase

WHEN = "2026-11-01T10:00:00Z"


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def ann(api, person):
    api.track(
        attributes=[
            {
                "external_id": "ann",
                "email": "ann@example.org",
                "phone": "+4915112345678",
                "plan": "gold",
            }
        ],
        events=[{"external_id": "ann", "name": "cart", "time": WHEN, "properties": {"n": 2}}],
        purchases=[
            {
                "external_id": "ann",
                "product_id": "shoe",
                "currency": "EUR",
                "price": 9.5,
                "quantity": 2,
                "time": WHEN,
            }
        ],
    )
    alias = {"external_id": "ann", "alias_label": "shop", "alias_name": "a1"}
    assert api.post("/users/alias/new", {"user_aliases": [alias]}).status_code == 201
    return person("ann")


NAMES = [
    {"external_ids": ["ann"]},
    {"user_aliases": [{"alias_name": "a1", "alias_label": "shop"}]},
    {
        "email_addresses": [
            {"email": "Ann@example.org", "prioritization": ["most_recently_updated"]}
        ]
    },
    {"phone_numbers": [{"phone": "0151 12345678"}]},
]


@pytest.mark.parametrize("payload", NAMES)
def test_a_person_is_erased_by_any_identifier(api, ann, payload):
    answer = api.post("/users/delete", payload)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["message"], body["deleted"], len(body["erasures"])) == ("success", 1, 1)
    assert not Profile.objects.exists()
    erase.proceed(now=timezone.now())
    assert not Profile.everybody.exists()


def test_the_receipt_is_read_by_its_key(api, ann):
    (key,) = api.post("/users/delete", {"external_ids": ["ann"]}).json()["erasures"]
    erase.proceed(now=timezone.now())
    (receipt,) = api.get("/users/erasures", {"key": key}).json()["erasures"]
    assert (receipt["state"], receipt["asked_by"], receipt["audiences"]) == (
        "done",
        "API key test",
        [],
    )
    assert "ann" not in json.dumps(receipt)


def test_unknown_people_are_not_counted(api, ann):
    body = api.post("/users/delete", {"external_ids": ["nobody", "ann", "ann"]}).json()
    assert (body["deleted"], [error["index"] for error in body["errors"]]) == (1, [0])


def test_a_repeated_erasure_returns_the_same_receipt(api, ann):
    first, second = (
        api.post("/users/delete", {"external_ids": ["ann"]}).json() for _turn in range(2)
    )
    assert (second["message"], second["deleted"], second["already_erased"]) == ("success", 0, 1)
    assert second["erasures"] == first["erasures"]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"external_ids": []},
        {"external_ids": ["a"], "braze_ids": ["b"]},
        {"external_ids": ["a"] * 51},
        {"external_ids": [1.5]},
        {"external_ids": [True]},
        {"external_ids": ["nobody"]},
        {"external_ids": "a"},
        {"user_aliases": [{"alias_name": "a"}]},
    ],
)
def test_an_invalid_request_erases_no_profile(api, ann, payload):
    assert api.post("/users/delete", payload).status_code == 400
    assert Profile.objects.count() == 1


def test_people_of_other_groups_are_neither_erased_nor_exported(api, other_group):
    eve = Profile.objects.create(app_group=other_group, external_id="eve")
    for payload in ({"external_ids": ["eve"]}, {"braze_ids": [eve.braze_id]}):
        answer = api.post("/users/delete", payload)
        assert (answer.status_code, answer.json()["errors"][0]["type"]) == (400, "UNKNOWN_USER")
    body = api.post("/users/export/ids", {"external_ids": ["eve"]}).json()
    assert (body["users"], body["invalid_user_ids"]) == ([], ["eve"])
    assert Profile.objects.count() == 1


def test_erase_and_export_need_different_scopes(api, acme, issue_key, ann):
    api.key = issue_key(acme, "users.export")
    assert api.post("/users/delete", {"external_ids": ["ann"]}).status_code == 403
    api.key = issue_key(acme, "users.delete")
    assert api.post("/users/export/ids", {"external_ids": ["ann"]}).status_code == 403


def test_an_export_has_the_shape_of_braze(api, ann):
    body = api.post("/users/export/ids", {"external_ids": ["ann", "nobody"]}).json()
    (user,) = body["users"]
    assert body["invalid_user_ids"] == ["nobody"]
    assert (user["email"], user["custom_attributes"], user["country"]) == (
        "ann@example.org",
        {"plan": "gold"},
        None,
    )
    assert user["user_aliases"] == [{"alias_name": "a1", "alias_label": "shop"}]
    at = datetime(2026, 11, 1, 10, tzinfo=UTC).isoformat()
    assert user["custom_events"] == [{"name": "cart", "first": at, "last": at, "count": 1}]
    assert user["purchases"][0]["count"] == 2


def test_known_fields_are_exported_at_the_top_level(api, person):
    api.track(
        attributes=[{"external_id": "ann", "first_name": "Ann", "gender": "F", "plan": "gold"}]
    )
    (user,) = api.post("/users/export/ids", {"external_ids": ["ann"]}).json()["users"]
    assert (user["first_name"], user["gender"], user["last_name"]) == ("Ann", "F", None)
    assert user["custom_attributes"] == {"plan": "gold"}


def test_an_export_holds_only_the_requested_fields(api, ann):
    payload = {"external_ids": ["ann"], "fields_to_export": ["email", "push_tokens"]}
    assert api.post("/users/export/ids", payload).json()["users"] == [
        {"email": "ann@example.org", "push_tokens": None}
    ]


@pytest.mark.parametrize(
    "names", [["email", "nonsense"], ["email"] * 101, [f"x{n}" for n in range(20_000)]]
)
def test_an_export_of_unknown_or_too_many_fields_is_rejected(api, ann, names):
    answer = api.post("/users/export/ids", {"external_ids": ["ann"], "fields_to_export": names})
    assert answer.status_code == 400
    assert "fields_to_export" in {
        error["field"].split(".")[-1] for error in answer.json()["errors"]
    }
    assert len(answer.content) < 2000


def test_an_export_finds_a_person_by_device(api, ann):
    idfa, gaid = "6D92078A-8246-4BA4-AE5B-76104861E7DC", "cdda802e-fb9c-47ad-9866-0794d394c912"
    api.track(
        attributes=[
            {"external_id": "ann", "idfa": idfa},
            {"external_id": "bob", "google_ad_id": gaid},
        ]
    )
    for device, name in ((idfa.lower(), "ann"), (gaid.upper(), "bob")):
        (user,) = api.post("/users/export/ids", {"device_id": device}).json()["users"]
        assert user["external_id"] == name


@pytest.mark.parametrize(
    "device",
    ["", "x", "00000000-0000-0000-0000-000000000000", "6d92078a-8246-4ba4-ae5b-76104861e7dc"],
)
def test_an_unknown_device_is_an_invalid_id(api, ann, device):
    body = api.post("/users/export/ids", {"device_id": device}).json()
    assert (body["users"], body["invalid_user_ids"]) == ([], [device])


def test_an_export_is_not_kept_for_idempotency(api, ann):
    body = [
        api.post("/users/export/ids", {"external_ids": ["ann"]}, Idempotency_Key="k1").status_code
        for _n in range(2)
    ]
    assert body == [201, 201]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM groups_keptanswer")
        assert cursor.fetchone() == (0,)


def test_merged_profiles_are_erased_with_their_profile(api, person):
    alias = {"alias_label": "web", "alias_name": "cookie"}
    api.track(
        attributes=[
            {"user_alias": alias, "_update_existing_only": False, "plan": "x"},
            {"external_id": "ann"},
        ]
    )
    payload = {"aliases_to_identify": [{"external_id": "ann", "user_alias": alias}]}
    assert api.post("/users/identify", payload).status_code == 201
    assert Profile.everybody.count() == 2
    assert Profile.objects.count() == 1
    api.post("/users/delete", {"external_ids": ["ann"]})
    erase.proceed(now=timezone.now())
    assert not Profile.everybody.exists()
    assert Erasure.objects.get().state == "done"


def test_an_erasure_by_another_call_meanwhile_gives_its_receipt(api, acme, ann, monkeypatch):
    found = people._profile_ids

    def erased_meanwhile(request, names):
        known = found(request, names)
        erase.erase(acme, [ann.pk], asked_by="another", now=timezone.now())
        return known

    monkeypatch.setattr(people, "_profile_ids", erased_meanwhile)
    answer = api.post("/users/delete", {"external_ids": ["ann"]}).json()
    assert (answer["deleted"], answer["already_erased"]) == (0, 1)
    assert answer["erasures"] == [Erasure.objects.get().key]
