"""POST /users/alias/new and /users/identify: add aliases and merge anonymous profiles."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Profile, UserAlias
from audiencesync.people.privacy import erasure_ledger

LEAD = {"alias_label": "lead", "alias_name": "L1"}
IDFA = "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25"
GAID = "38400000-8cf0-11bd-b23e-10b96e40000d"


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
    """Return an anonymous profile with an alias, an e-mail, an attribute and an event."""
    post("/users/alias/new", {"user_aliases": [LEAD]})
    visitor = {"user_alias": LEAD, "email": "lead@example.org", "source": "fair", "plan": "none"}
    api.track(
        attributes=[visitor],
        events=[{"user_alias": LEAD, "name": "visit", "time": "2026-11-01T10:00:00Z"}],
    )
    return UserAlias.objects.get().profile


def test_a_new_alias_alone_creates_an_anonymous_profile(post):
    body = post("/users/alias/new", {"user_aliases": [LEAD, LEAD]})
    assert body == {"message": "success", "aliases_processed": 2}
    assert Profile.objects.get().external_id is None


def test_an_alias_is_added_to_a_known_profile(post, api, person):
    api.track(attributes=[{"external_id": "a"}, {"external_id": "b"}])
    first = post("/users/alias/new", {"user_aliases": [LEAD | {"external_id": "a"}]})
    assert first["aliases_processed"] == 1
    body = post(
        "/users/alias/new",
        {"user_aliases": [LEAD | {"external_id": name} for name in ("a", "b", "c")]},
    )
    assert [(error["index"], error["type"]) for error in body["errors"]] == [
        (1, "ALIAS_TAKEN"),
        (2, "UNKNOWN_USER"),
    ]
    assert person("a").aliases.get().name == "L1"


def test_an_alias_creates_a_profile_only_if_allowed(api):
    body = api.track(status=400, attributes=[{"user_alias": LEAD, "plan": "x"}])
    assert body["errors"][0]["type"] == "UNKNOWN_USER"
    api.track(attributes=[{"user_alias": LEAD, "plan": "x", "_update_existing_only": False}])
    assert UserAlias.objects.get().profile.attributes == {"plan": "x"}


def test_an_anonymous_profile_gets_its_external_id(post, lead, person):
    identity = {"external_id": "a", "user_alias": LEAD}
    body = post("/users/identify", {"aliases_to_identify": [identity, identity]})
    assert body["aliases_processed"] == 2
    assert person("a") == lead
    assert person("a").email == "lead@example.org"


def test_an_anonymous_profile_is_merged_into_a_known_one(post, api, lead, person):
    api.track(attributes=[{"external_id": "a", "plan": "gold", "phone": "+4915112345678"}])
    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})
    profile, left = person("a"), Profile.everybody.get(pk=lead.pk)
    assert (profile.email, profile.phone) == ("lead@example.org", "+4915112345678")
    assert profile.attributes == {"plan": "gold", "source": "fair"}
    assert UserAlias.objects.get().profile == Event.objects.get().profile == profile
    assert (left.email, left.email_sha256, left.attributes, left.merged_into) == (
        "",
        None,
        {},
        profile,
    )


def test_a_merge_keeps_the_sent_hash_on_both_profiles(post, api, lead, person):
    sent = bytes(lead.email_sha256)
    api.track(attributes=[{"external_id": "a", "email": "other@example.org"}])
    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})
    for profile in (person("a"), lead):
        assert bytes(profile.past_identifiers.get().sha256) == sent


@pytest.mark.parametrize("allowed", [True, None])
def test_a_device_that_refused_tracking_is_not_sent_by_the_permission_of_another(
    post, api, lead, person, allowed
):
    visitor = {"user_alias": LEAD, "idfa": IDFA, "ad_tracking_enabled": False}
    attributes = {"external_id": "a", "google_ad_id": GAID, "ad_tracking_enabled": allowed}
    api.track(attributes=[visitor, attributes])

    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})

    kept = person("a")
    assert (kept.ad_tracking_enabled, kept.gaid) == (allowed or False, GAID)
    assert (kept.idfa, kept.idfa_sha256 is None) == (("", True) if allowed else (IDFA, False))
    assert kept.past_identifiers.filter(kind="idfa").exists()  # removals name it


def test_an_erased_person_does_not_return_by_identify(post, api, acme, person):
    api.track(attributes=[{"external_id": "a", "email": "a@example.org"}])
    erased = person("a")
    erasure_ledger.write(
        acme,
        [name for _pk, name in erasure_ledger.names_of(acme, [erased])],
        erasure=None,
        now=timezone.now(),
    )
    erased.delete()
    api.track(attributes=[{"email": "visitor@example.org"}])
    identity = {"external_id": "a", "email": "visitor@example.org"}
    body = post("/users/identify", {"emails_to_identify": [identity]}, 400)
    assert body["errors"][0]["type"] == "ERASED_USER"
    body = api.track(status=400, attributes=[{"external_id": "a"}])
    assert body["errors"][0]["type"] == "ERASED_USER"
    assert not Profile.objects.filter(external_id="a").exists()


def test_identify_by_email_or_phone(post, api, person):
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


def test_a_repeated_call_succeeds(post, api, lead, person):
    api.track(
        attributes=[{"phone": "+4915112345678"}, {"external_id": "b", "email": "b@example.org"}]
    )
    # the profile "b" has another e-mail already
    emails = [{"external_id": "b", "email": "lead@example.org"}]
    phones = [{"external_id": "a", "phone": "+4915112345678"}]
    for _turn in range(2):
        body = post(
            "/users/identify", {"emails_to_identify": emails, "phone_numbers_to_identify": phones}
        )
        assert body == {"message": "success", "aliases_processed": 2}
    assert Profile.objects.count() == 2


def test_an_email_of_another_known_profile_identifies_no_visitor(post, api):
    api.track(attributes=[{"external_id": "a", "email": "a@example.org"}, {"external_id": "b"}])
    body = post(
        "/users/identify",
        {"emails_to_identify": [{"external_id": "b", "email": "a@example.org"}]},
        400,
    )
    assert body["errors"][0]["type"] == "UNKNOWN_USER"


def test_a_merged_profile_is_found_by_its_old_braze_id(post, api, lead, person):
    api.track(attributes=[{"external_id": "a"}])
    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})
    api.track(attributes=[{"braze_id": lead.braze_id, "plan": "gold"}])
    assert person("a").attributes["plan"] == "gold"
    users = api.post("/users/export/ids", {"braze_id": lead.braze_id}).json()["users"]
    assert users[0]["external_id"] == "a"
    assert post("/users/delete", {"braze_ids": [lead.braze_id]})["deleted"] == 1
    assert not Profile.objects.exists()


def test_a_merge_above_the_limit_of_attributes_is_refused(post, api, lead, person):
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
def test_a_bad_identity_is_refused_alone(post, lead, person, bad):
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
def test_a_bad_alias_is_refused_alone(post, bad):
    body = post("/users/alias/new", {"user_aliases": [bad, LEAD]})
    assert (body["aliases_processed"], [error["index"] for error in body["errors"]]) == (1, [0])
    assert UserAlias.objects.get().name == "L1"


def test_an_unknown_alias_is_reported(post):
    body = post(
        "/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]}, 400
    )
    assert body["errors"][0]["type"] == "UNKNOWN_USER"


def test_a_known_profile_keeps_its_external_id(post, lead, person):
    post("/users/identify", {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]})
    body = post(
        "/users/identify", {"aliases_to_identify": [{"external_id": "b", "user_alias": LEAD}]}, 400
    )
    assert body["errors"][0]["type"] == "ALREADY_IDENTIFIED"
    assert person("a") == lead


@pytest.mark.parametrize("n", [0, 51])
def test_no_or_more_than_50_aliases_are_refused(post, n):
    post(
        "/users/alias/new",
        {"user_aliases": [LEAD | {"alias_name": str(i)} for i in range(n)]},
        status=400,
    )
    assert not UserAlias.objects.exists()
