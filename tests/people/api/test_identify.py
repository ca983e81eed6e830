"""POST /users/alias/new and /users/identify: other names, and an unknown visitor who turns out to be somebody."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Profile, UserAlias
from audiencesync.people.privacy import erasure_ledger

LEAD = {"alias_label": "lead", "alias_name": "L1"}


@pytest.fixture
def post(api, settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")

    def call(path, body, status=201):
        answer = api.post(path, body)
        assert answer.status_code == status, answer.content
        return answer.json()

    return call


@pytest.fixture
def lead(post, api):
    """A visitor known by alias only, with an e-mail, an attribute and an event."""
    post("/users/alias/new", {"user_aliases": [LEAD]})
    told = {"user_alias": LEAD, "email": "lead@example.org", "source": "fair", "plan": "none"}
    api.track(
        attributes=[told],
        events=[{"user_alias": LEAD, "name": "visit", "time": "2026-11-01T10:00:00Z"}],
    )
    return UserAlias.objects.get().profile


def test_a_new_alias_of_nobody_makes_somebody(post):
    body = post("/users/alias/new", {"user_aliases": [LEAD, LEAD]})
    assert body == {"message": "success", "aliases_processed": 2}
    assert Profile.objects.get().external_id is None


def test_an_alias_for_a_known_person(post, api, person):
    api.track(attributes=[{"external_id": "a"}, {"external_id": "b"}])
    assert (
        post("/users/alias/new", {"user_aliases": [LEAD | {"external_id": "a"}]})[
            "aliases_processed"
        ]
        == 1
    )
    body = post(
        "/users/alias/new",
        {"user_aliases": [LEAD | {"external_id": name} for name in ("a", "b", "c")]},
    )
    assert [(error["index"], error["type"]) for error in body["errors"]] == [
        (1, "ALIAS_TAKEN"),
        (2, "UNKNOWN_USER"),
    ]
    assert person("a").aliases.get().name == "L1"


def test_an_alias_only_updates_unless_told_otherwise(api):
    body = api.track(status=400, attributes=[{"user_alias": LEAD, "plan": "x"}])
    assert body["errors"][0]["type"] == "UNKNOWN_USER"
    api.track(attributes=[{"user_alias": LEAD, "plan": "x", "_update_existing_only": False}])
    assert UserAlias.objects.get().profile.attributes == {"plan": "x"}


def test_a_visitor_gets_their_external_id(post, lead, person):
    identity = {"external_id": "a", "user_alias": LEAD}
    assert (
        post("/users/identify", {"aliases_to_identify": [identity, identity]})["aliases_processed"]
        == 2
    )
    assert person("a") == lead
    assert person("a").email == "lead@example.org"


def test_a_visitor_becomes_somebody_known(post, api, lead, person):
    api.track(attributes=[{"external_id": "a", "plan": "gold", "phone": "+4915112345678"}])
    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})
    found, left = person("a"), Profile.everybody.get(pk=lead.pk)
    assert (found.email, found.phone) == ("lead@example.org", "+4915112345678")
    assert found.attributes == {"plan": "gold", "source": "fair"}
    assert UserAlias.objects.get().profile == Event.objects.get().profile == found
    assert (left.email, left.email_sha256, left.attributes, left.merged_into) == (
        "",
        None,
        {},
        found,
    )


def test_what_was_sent_of_a_visitor_can_be_taken_back_from_both(post, api, lead, person):
    sent = bytes(lead.email_sha256)
    api.track(attributes=[{"external_id": "a", "email": "other@example.org"}])
    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})
    for profile in (person("a"), lead):
        assert bytes(profile.past_identifiers.get().sha256) == sent


def test_somebody_erased_does_not_come_back_by_another_name(post, api, acme, person):
    api.track(attributes=[{"external_id": "a", "email": "a@example.org"}])
    gone = person("a")
    erasure_ledger.write(
        acme,
        [name for _pk, name in erasure_ledger.names_of(acme, [gone])],
        erasure=None,
        now=timezone.now(),
    )
    gone.delete()
    api.track(attributes=[{"email": "visitor@example.org"}])
    wish = {"external_id": "a", "email": "visitor@example.org"}
    assert (
        post("/users/identify", {"emails_to_identify": [wish]}, 400)["errors"][0]["type"]
        == "ERASED_USER"
    )
    assert (
        api.track(status=400, attributes=[{"external_id": "a"}])["errors"][0]["type"]
        == "ERASED_USER"
    )
    assert not Profile.objects.filter(external_id="a").exists()


def test_by_email_or_phone(post, api, person):
    api.track(attributes=[{"email": "Max@example.org", "plan": "x"}, {"phone": "+4915112345678"}])
    emails = [{"external_id": "a", "email": "max@example.org", "prioritization": ["unidentified"]}]
    phones = [
        {"external_id": "b", "phone": "015112345678"},
        {"external_id": "c", "phone": "+4915112345670"},
    ]
    body = post(
        "/users/identify", {"emails_to_identify": emails, "phone_numbers_to_identify": phones}
    )
    assert body["aliases_processed"] == 2
    assert [(error["input_array"], error["index"]) for error in body["errors"]] == [
        ("phone_numbers_to_identify", 1)
    ]
    assert (person("a").attributes, person("b").phone) == ({"plan": "x"}, "+4915112345678")


def test_the_same_call_again_is_a_success(post, api, lead, person):
    api.track(
        attributes=[{"phone": "+4915112345678"}, {"external_id": "b", "email": "b@example.org"}]
    )
    emails = [
        {"external_id": "b", "email": "lead@example.org"}
    ]  # becomes somebody with another e-mail
    phones = [{"external_id": "a", "phone": "+4915112345678"}]
    for _turn in range(2):
        body = post(
            "/users/identify", {"emails_to_identify": emails, "phone_numbers_to_identify": phones}
        )
        assert body == {"message": "success", "aliases_processed": 2}
    assert Profile.objects.count() == 2


def test_an_email_of_somebody_else_who_is_known_is_nobody_s(post, api):
    api.track(attributes=[{"external_id": "a", "email": "a@example.org"}, {"external_id": "b"}])
    body = post(
        "/users/identify",
        {"emails_to_identify": [{"external_id": "b", "email": "a@example.org"}]},
        400,
    )
    assert body["errors"][0]["type"] == "UNKNOWN_USER"


def test_a_visitor_who_became_somebody_is_found_by_their_old_braze_id(post, api, lead, person):
    api.track(attributes=[{"external_id": "a"}])
    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})
    api.track(attributes=[{"braze_id": lead.braze_id, "plan": "gold"}])
    assert person("a").attributes["plan"] == "gold"
    assert (
        api.post("/users/export/ids", {"braze_id": lead.braze_id}).json()["users"][0]["external_id"]
        == "a"
    )
    assert post("/users/delete", {"braze_ids": [lead.braze_id]})["deleted"] == 1
    assert not Profile.objects.exists()


def test_nobody_gets_more_attributes_than_they_may_have(post, api, lead, person):
    api.track(attributes=[{"external_id": "a"} | {f"a{n}": n for n in range(499)}])
    body = post(
        "/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]}, 400
    )
    assert body["errors"][0]["type"] == "TOO_MANY_ATTRIBUTES"
    assert (len(person("a").attributes), UserAlias.objects.get().profile) == (499, lead)


BAD = [
    None,
    5,
    "a",
    [],
    {},
    {"external_id": 5.5},
    {"external_id": "a"},
    {"external_id": "a", "user_alias": "l"},
]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_identity_does_not_spoil_the_others(post, lead, person, bad):
    body = post(
        "/users/identify", {"aliases_to_identify": [bad, {"external_id": "a", "user_alias": LEAD}]}
    )
    assert (body["aliases_processed"], [error["index"] for error in body["errors"]]) == (1, [0])
    assert person("a") == lead


@pytest.mark.parametrize(
    "bad",
    [
        None,
        5,
        "a",
        [],
        {},
        {"alias_name": "x"},
        LEAD | {"external_id": 5.5},
        LEAD | {"alias_label": True},
    ],
)
def test_a_bad_alias_does_not_spoil_the_others(post, bad):
    body = post("/users/alias/new", {"user_aliases": [bad, LEAD]})
    assert (body["aliases_processed"], [error["index"] for error in body["errors"]]) == (1, [0])
    assert UserAlias.objects.get().name == "L1"


def test_an_unknown_alias_is_told(post):
    body = post(
        "/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]}, 400
    )
    assert body["errors"][0]["type"] == "UNKNOWN_USER"


def test_somebody_known_keeps_their_external_id(post, lead, person):
    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})
    body = post(
        "/users/identify", {"aliases_to_identify": [{"external_id": "b", "user_alias": LEAD}]}, 400
    )
    assert body["errors"][0]["type"] == "ALREADY_IDENTIFIED"
    assert person("a") == lead


@pytest.mark.parametrize("n", [0, 51])
def test_at_most_fifty(post, n):
    post(
        "/users/alias/new",
        {"user_aliases": [LEAD | {"alias_name": str(i)} for i in range(n)]},
        status=400,
    )
    assert not UserAlias.objects.exists()
