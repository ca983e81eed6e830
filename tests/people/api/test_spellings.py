"""Read countries, languages, genders, times and numbers in all spellings an import reads."""

from datetime import UTC, datetime

import pytest

from audiencesync.people.models import Event, Profile

EVENT = {"external_id": "a", "name": "cart"}
PURCHASE = {
    "external_id": "a",
    "product_id": "p",
    "currency": "EUR",
    "price": 1,
    "time": "2026-11-01",
}
COLUMNS = [
    ("country", "United States", "US"),
    ("country", "DE ", "DE"),
    ("country", "Deutschland", "DE"),
    ("country", "deu", "DE"),
    ("language", "de_DE", "de_DE"),
    ("language", "pt_BR", "pt_BR"),
    ("language", "es-419", "es-419"),
    ("language", "zh-Hans-CN", "zh-CN"),
    ("language", "en_US", "en_US"),
    ("language", "german", "de"),
    ("phone", 4915112345678, "4915112345678"),
    ("phone", 4915112345678.0, "4915112345678"),
    ("gaid", " cdda802e-fb9c-47ad-9866-0794d394c912 ", "cdda802e-fb9c-47ad-9866-0794d394c912"),
    ("ads_consent", "opted-in", True),
    ("ads_consent", "nein", False),
    ("ads_consent", 0, False),
    ("ad_tracking_enabled", "ja", True),
]
ATTRIBUTES = [
    ("gender", "female", "F"),
    ("gender", "m", "M"),
    ("gender", "divers", "O"),
    ("dob", "2000-02-29T00:00:00Z", "2000-02-29"),
    ("dob", "2000-02-29 10:00:00", "2000-02-29"),
    ("email_subscribe", "Opted-In", "opted_in"),
]
ALIASES = {"gaid": "google_ad_id"}
STORED = {
    "email": "a@example.org",
    "phone": "+4915112345678",
    "country": "DE",
    "language": "de",
    "idfa": "x",
    "google_ad_id": "x",
    "gender": "F",
    "dob": "2000-01-01",
    "first_name": "Ann",
}
TIMES = [
    ("2026-11-01", 0),
    ("2026-11-01T10:00:00 UTC", 10),
    ("2026-11-01 10:00:00 UTC", 10),
    ("2026-11-01t10:00:00z", 10),
    ("2026-11-01T10:00:00-5:00", 15),
    ("2026-11-01T10:00:00 -5:00", 15),
    ("2026-11-01T10:00:00+0200", 8),
    ("2026-11-01T10:00:00.123456789Z", 10),
    ("2026-11-01T10:00:00:123+0000", 10),
    ("2026-11-01T10:59:60Z", 11),
    ("20261101T100000Z", 10),
]


@pytest.mark.parametrize(("column", "sent", "kept"), COLUMNS)
def test_a_column_is_read_in_common_spellings(api, column, sent, kept):
    assert "errors" not in api.track(
        attributes=[{"external_id": "a", ALIASES.get(column, column): sent}]
    )
    assert getattr(Profile.objects.get(), column) == kept


@pytest.mark.parametrize(("name", "sent", "kept"), ATTRIBUTES)
def test_a_standard_attribute_is_read_in_common_spellings(api, name, sent, kept):
    assert "errors" not in api.track(attributes=[{"external_id": "a", name: sent}])
    assert Profile.objects.get().attributes == {name: kept}


@pytest.mark.parametrize("blank", ["", " ", None])
@pytest.mark.parametrize("name", STORED)
def test_an_empty_text_in_a_standard_field_means_null(api, name, blank):
    api.track(attributes=[{"external_id": "a"} | STORED])
    before = api.post("/users/export/ids", {"external_ids": ["a"]}).json()["users"][0]
    assert "errors" not in api.track(attributes=[{"external_id": "a", name: blank}])
    after = api.post("/users/export/ids", {"external_ids": ["a"]}).json()["users"][0]
    assert {key for key in before if before[key] != after[key]} == {
        {"idfa": "devices", "google_ad_id": "devices"}.get(name, name)
    }


def test_an_empty_email_leaves_the_phone_as_identifier(api):
    api.track(attributes=[{"email": "", "phone": "+4915112345678"}])
    assert Profile.objects.get().phone == "+4915112345678"


@pytest.mark.parametrize(("text", "hour"), TIMES)
def test_a_time_is_read_in_common_formats(api, text, hour):
    assert "errors" not in api.track(events=[EVENT | {"time": text}])
    assert Event.objects.get().at.replace(minute=0, second=0, microsecond=0) == datetime(
        2026, 11, 1, hour, tzinfo=UTC
    )


@pytest.mark.parametrize("quantity", [None, 2.0, "2", "2.0", ""])
def test_a_quantity_is_read_in_common_formats(api, quantity):
    assert "errors" not in api.track(purchases=[PURCHASE | {"quantity": quantity}])
    assert Event.objects.get().quantity == (2 if quantity else 1)


@pytest.mark.parametrize(
    ("price", "kept"), [("9.50", "9.5000"), ("9,5", "9.5000"), (9, "9.0000"), ("-3", "-3.0000")]
)
def test_a_price_may_be_text(api, price, kept):
    assert "errors" not in api.track(purchases=[PURCHASE | {"price": price}])
    assert str(Event.objects.get().price) == kept


def test_an_empty_list_of_php_is_an_empty_object(api, live_canvas):
    assert "errors" not in api.track(events=[EVENT | {"time": "2026-11-01", "properties": []}])
    recipient = {"external_user_id": "a", "attributes": [], "context": []}
    body = {
        "canvas_id": str(live_canvas.api_id),
        "recipients": [recipient],
        "context": [],
        "canvas_entry_properties": [],
    }
    answer = api.post("/canvas/trigger/send", body)
    assert (answer.status_code, "errors" in answer.json()) == (201, False), answer.content


def test_a_bad_property_is_dropped_alone(api):
    answer = api.track(
        events=[EVENT | {"time": "2026-11-01", "properties": {"$a": 1, "n": 2, "long": "x" * 256}}]
    )
    assert [error["type"] for error in answer["errors"]] == ["BAD_PROPERTIES", "TEXT_TOO_LONG"]
    assert Event.objects.get().properties == {"n": 2}


def test_a_bad_field_of_a_recipient_is_dropped_alone(api, live_canvas):
    api.track(attributes=[{"external_id": "a"}])
    recipient = {"external_user_id": "a", "attributes": {"country": "Narnia", "plan": "gold"}}
    body = api.post(
        "/canvas/trigger/send", {"canvas_id": str(live_canvas.api_id), "recipients": [recipient]}
    ).json()
    assert (body["entered"], [error["field"] for error in body["errors"]]) == (1, ["country"])
    assert Profile.objects.get().attributes == {"plan": "gold"}
