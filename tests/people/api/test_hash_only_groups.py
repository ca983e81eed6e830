"""In a hash-only group the API stores no e-mail or phone in another field."""

import pytest

from audiencesync.people.models import Event, Profile, UserAlias


@pytest.fixture
def hash_only(acme):
    acme.hash_only = True
    acme.save()


def problems(body):
    return [
        (error["type"], error.get("field", ""), error["index"]) for error in body.get("errors", [])
    ]


ATTRIBUTES = {
    "email_2": "b@example.org",
    "mobile": "0151 12345678",
    "Telefon privat": 4915112345678,
    "WhatsApp": "+4915112345678",
    "contact": "Anna <b@example.org>",
    "info": {"more": [{"mail": "b@example.org"}]},
    "list": {"add": ["b@example.org"]},
    "objects": {"$add": [{"mail": "b@example.org"}]},
}


@pytest.mark.usefixtures("hash_only")
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_address_in_an_attribute_is_reported_and_the_rest_is_written(api, person, name):
    body = api.track(attributes=[{"external_id": "a", name: ATTRIBUTES[name], "tier": "gold"}])
    assert problems(body) == [("HASHES_ONLY", name, 0)]
    assert (body["attributes_processed"], person("a").attributes) == (1, {"tier": "gold"})


@pytest.mark.usefixtures("hash_only")
def test_an_attribute_name_that_is_an_address_is_not_repeated(api, person):
    body = api.track(attributes=[{"external_id": "a", "b@example.org": 1}])
    assert problems(body) == [("HASHES_ONLY", "", 0)]
    assert person("a").attributes == {}


@pytest.mark.usefixtures("hash_only")
def test_an_address_stored_before_the_switch_can_be_deleted(api, acme, person):
    Profile.objects.create(
        app_group=acme, external_id="a", attributes={"mobile": "0151 1", "all": ["b@example.org"]}
    )
    body = api.track(
        attributes=[{"external_id": "a", "mobile": None, "all": {"remove": ["b@example.org"]}}]
    )
    assert (problems(body), person("a").attributes) == ([], {"all": []})


@pytest.mark.usefixtures("hash_only")
def test_addresses_in_properties_are_dropped(api):
    when, properties = (
        "2026-11-23T10:00:00Z",
        {"mobile": "0151 12345678", "n": 2, "to": "b@example.org"},
    )
    event = {"external_id": "a", "name": "cart", "time": when, "properties": properties}
    bought = {"external_id": "a", "product_id": "p", "currency": "EUR", "price": 1, "time": when}
    body = api.track(events=[event], purchases=[bought | {"properties": properties}])
    assert problems(body) == [("HASHES_ONLY", "properties", 0)] * 4
    assert [one.properties for one in Event.objects.all()] == [{"n": 2}, {"n": 2}]


@pytest.mark.usefixtures("hash_only")
def test_an_event_named_by_an_address_is_refused(api):
    events = [
        {"external_id": "a", "name": name, "time": "2026-11-23T10:00:00Z"}
        for name in ("to b@example.org", "cart")
    ]
    assert problems(api.track(events=events)) == [("HASHES_ONLY", "name", 0)]
    assert [event.name for event in Event.objects.all()] == ["cart"]


@pytest.mark.usefixtures("hash_only")
def test_an_alias_that_is_an_address_is_refused(api):
    pairs = [("crm", "b@example.org"), ("phone", "4915112345678"), ("crm", "7")]
    names = [{"alias_label": label, "alias_name": name} for label, name in pairs]
    body = api.post("/users/alias/new", {"user_aliases": names}).json()
    assert problems(body) == [("HASHES_ONLY", "alias_name", 0), ("HASHES_ONLY", "alias_name", 1)]
    items = [{"user_alias": name, "_update_existing_only": False, "tier": "gold"} for name in names]
    assert problems(api.track(attributes=items)) == [
        ("HASHES_ONLY", "user_alias", 0),
        ("HASHES_ONLY", "user_alias", 1),
    ]
    assert [one.name for one in UserAlias.objects.all()] == ["7"]


@pytest.mark.usefixtures("hash_only")
def test_an_address_of_a_trigger_recipient_is_dropped(api, live_canvas):
    recipient = {
        "external_user_id": "a",
        "send_to_existing_only": False,
        "attributes": {"mobile": "0151 12345678", "n": 1},
    }
    body = api.post(
        "/canvas/trigger/send", {"canvas_id": str(live_canvas.api_id), "recipients": [recipient]}
    ).json()
    assert problems(body) == [("HASHES_ONLY", "mobile", 0)]
    assert Profile.objects.get().attributes == {"n": 1}


def test_an_address_is_kept_in_other_groups(api, person):
    assert "errors" not in api.track(attributes=[{"external_id": "a", "email_2": "b@example.org"}])
    assert person("a").attributes == {"email_2": "b@example.org"}
