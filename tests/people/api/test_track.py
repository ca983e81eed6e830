"""POST /users/track: store attributes, events and purchases; refuse a bad object alone."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiencesync.people.models import Event, Profile


def test_it_creates_a_profile(api, person):
    body = api.track(
        attributes=[
            {"external_id": "a", "email": "Max@Example.org", "country": "de", "plan": "gold"}
        ]
    )
    assert body == {"message": "success", "attributes_processed": 1}
    profile = person("a")
    assert (profile.email, profile.country, profile.attributes) == (
        "Max@Example.org",
        "DE",
        {"plan": "gold"},
    )
    assert bytes(profile.email_sha256) == sha256(b"max@example.org").digest()


def test_only_the_given_fields_change(api, person):
    api.track(
        attributes=[
            {
                "external_id": "a",
                "email": "a@example.org",
                "phone": "+4915112345678",
                "plan": "gold",
            }
        ]
    )
    api.track(attributes=[{"external_id": "a", "plan": "free"}])
    profile = person("a")
    assert (profile.email, profile.phone, profile.attributes) == (
        "a@example.org",
        "+4915112345678",
        {"plan": "free"},
    )


def test_null_deletes_a_value(api, person):
    api.track(
        attributes=[
            {"external_id": "a", "email": "a@example.org", "plan": "gold", "ads_consent": True}
        ]
    )
    api.track(attributes=[{"external_id": "a", "email": None, "plan": None, "ads_consent": None}])
    profile = person("a")
    assert (profile.email, profile.email_sha256, profile.attributes, profile.ads_consent) == (
        "",
        None,
        {},
        None,
    )
    assert bytes(profile.past_identifiers.get().sha256) == sha256(b"a@example.org").digest()


def test_a_changed_email_keeps_its_old_hash_once(api, person):
    for email in (
        "a@example.org",
        "A@Example.org ",
        "b@example.org",
        "a@example.org",
        "c@example.org",
    ):
        api.track(attributes=[{"external_id": "a", "email": email}])
    past = sorted(bytes(one.sha256) for one in person("a").past_identifiers.all())
    assert past == sorted(sha256(email).digest() for email in (b"a@example.org", b"b@example.org"))


@pytest.mark.parametrize("rounds", [1, 2])
def test_the_number_of_queries_does_not_grow_with_the_people(api, rounds):
    def cost(n):
        items = [{"external_id": f"{n}-{i}", "email": f"{n}-{i}@example.org"} for i in range(n)]
        for turn in range(rounds):
            for item in items:
                item["email"] = f"{turn}{item['email']}"
            with CaptureQueriesContext(connection) as queries:
                api.track(
                    attributes=items,
                    events=[{"external_id": f"{n}-0", "name": "x", "time": "2026-11-01T00:00:00Z"}],
                )
        return len([query for query in queries if "django_q" not in query["sql"]])

    api.track(attributes=[{"external_id": "first"}])  # records the use of the key, once a minute
    assert cost(74) == cost(2) <= 18


def test_the_last_object_wins(api, person):
    api.track(
        attributes=[
            {"external_id": "a", "plan": "one", "x": 1},
            {"external_id": "a", "plan": "two"},
        ]
    )
    assert person("a").attributes == {"plan": "two", "x": 1}
    assert Profile.objects.count() == 1


def test_ad_ids_are_stored(api, person):
    idfa, gaid = "6D92078A-8246-4BA4-AE5B-76104861E7DC", "cdda802e-fb9c-47ad-9866-0794d394c912"
    api.track(
        attributes=[
            {"external_id": "a", "idfa": idfa, "google_ad_id": gaid, "ad_tracking_enabled": True}
        ]
    )
    profile = person("a")
    assert bytes(profile.idfa_sha256) == sha256(idfa.lower().encode()).digest()
    assert (profile.gaid, profile.ad_tracking_enabled) == (gaid, True)


def test_devices_are_read_as_braze_exports_them(api, person):
    gaid = "cdda802e-fb9c-47ad-9866-0794d394c912"
    devices = [
        {
            "model": "Pixel",
            "idfv": None,
            "idfa": None,
            "google_ad_id": gaid,
            "ad_tracking_enabled": False,
        }
    ]
    api.track(attributes=[{"external_id": "a", "devices": devices}])
    assert (person("a").gaid, person("a").ad_tracking_enabled) == (gaid, False)


def test_events_and_purchases_are_stored(api, person):
    event = {
        "external_id": "a",
        "name": "cart",
        "time": "2026-11-01T10:00:00+01:00",
        "properties": {"n": 2},
    }
    purchase = {
        "external_id": "a",
        "product_id": "shoe",
        "currency": "EUR",
        "price": 9.99,
        "time": "2026-11-01T10:00:00Z",
    }
    body = api.track(events=[event], purchases=[purchase | {"quantity": 3}])
    assert body == {"message": "success", "events_processed": 1, "purchases_processed": 1}
    cart, shoe = Event.objects.order_by("pk")
    assert (cart.name, cart.at, cart.properties) == (
        "cart",
        datetime(2026, 11, 1, 9, tzinfo=UTC),
        {"n": 2},
    )
    assert (shoe.kind, str(shoe.price), shoe.currency, shoe.quantity) == (
        "purchase",
        "9.9900",
        "EUR",
        3,
    )
    assert cart.profile == shoe.profile == person("a")


def test_a_future_time_becomes_now(api):
    api.track(events=[{"external_id": "a", "name": "cart", "time": "2999-01-01T00:00:00Z"}])
    assert Event.objects.get().at.year < 2999


def test_a_bad_object_among_many_is_refused_alone(api, person):
    good = [{"external_id": f"p{n}"} for n in range(3)]
    body = api.track(
        attributes=[good[0], {"external_id": "bad", "email": "nobody"}, good[1], "text", good[2]]
    )
    assert body["attributes_processed"] == 4
    assert [(error["index"], error["type"], error["input_array"]) for error in body["errors"]] == [
        (1, "EMAIL_BAD_FORMAT", "attributes"),
        (3, "NOT_AN_OBJECT", "attributes"),
    ]
    assert "nobody" not in str(body)
    assert Profile.objects.count() == 4


def test_a_call_without_a_valid_object_is_refused(api):
    body = api.track(status=400, attributes=[{"email": "nobody"}])
    assert body["errors"][0]["type"] == "EMAIL_BAD_FORMAT"
    assert not Profile.objects.exists()
