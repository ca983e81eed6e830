"""Values of every field: the object that holds a bad one is refused with index, reason and field; its neighbour stays."""

import pytest

from audiencesync.people.models import Event, Profile

NEIGHBOUR = {"external_id": "neighbour"}
NOW = "2026-11-01T10:00:00Z"
NO_TEXT = [1, 1.5, True, [], {}, ["a"], {"a": 1}]
BLANK = ["", " ", "\t", "\u00a0", "\u3000"]
DEEP = [[[[[[[[[[1]]]]]]]]]]
LONG = "x" * 256
EVENT = {"external_id": "bad", "name": "cart", "time": NOW}
BOUGHT = {"external_id": "bad", "product_id": "p", "currency": "EUR", "price": 1, "time": NOW}
BAD_EMAILS = [
    "nobody",
    "a@b",
    "@example.org",
    "a@",
    "a@example..org",
    "a@@example.org",
    "a@example.org\nb@example.org",
    "a@example.org,b@example.org",
    "mailto:a@example.org",
    "a" * 64 + "@" + "b" * 190 + ".org",
    "a@exa mple.org@",
    "a@[127.0.0.1",
    "0" * 63,
    "g" * 64,
]
BAD_TIMES = ["yesterday", "2026-11-01", "2026-13-01T00:00:00Z", "2026-11-01T25:00:00Z", "1969-12-31T23:59:59Z", "1e9"]
BAD = {
    "attributes": {
        "external_id": [*NO_TEXT, *BLANK, "ä" * 494, "x" * 988],
        "user_alias": [
            1,
            "x",
            [],
            {},
            {"alias_name": "x"},
            {"alias_label": "x"},
            {"alias_name": "", "alias_label": "x"},
        ],
        "braze_id": [1, "", "x", "0" * 23, "0" * 25, "g" * 24, "f" * 24, "0" * 24, "A" * 24, "٣" * 24],
        "email": [*NO_TEXT, *BLANK, *BAD_EMAILS],
        "phone": [*NO_TEXT, *BLANK, "1" * 65],
        "country": [*NO_TEXT, *BLANK, "D", "DEU", "D1", "Deutschland", "ÄÖ"],
        "language": [*NO_TEXT, *BLANK, "d", "deutsch-und-mehr", "d3"],
        "idfa": [*NO_TEXT, *BLANK, "x" * 65, "a b"],
        "google_ad_id": [*NO_TEXT, *BLANK, "x" * 65],
        "ad_tracking_enabled": ["true", "", 0, 1, [], {}],
        "ads_consent": ["yes", "", 0, 1, [], {}],
        "devices": [1, "x", {}, [1], [None], [{"idfa": 1}], [{"google_ad_id": LONG}], [{"ad_tracking_enabled": "no"}]],
        "gender": ["male", "", 1, "m"],
        "dob": ["1.1.2000", "", 1, "2000-1-1", "٢٠٠٠-01-01", "2026-99-99"],
        "email_subscribe": ["yes", "", True],
        "custom": [LONG, [LONG], {"a": LONG}, DEEP, list(range(501)), 2**53 + 1, -(2**53) - 1, {"": 1}, {LONG: 1}],
        "counter": [{"inc": "1"}, {"inc": True}, {"inc": None}, {"inc": 2**60}],
        "tags": [
            {"$add": []},
            {"$update": 1, "x": 2},
            {"add": "x"},
            {"remove": 1},
            {"add": [1], "remove": 1},
            {"add": None},
            {"add": [LONG]},
            {"add": list(range(501))},
        ],
        "_update_existing_only": ["true", 1, [], {}],
        "": [1],
        "x" * 256: [1],
    },
    "events": {
        "name": [None, *NO_TEXT, *BLANK, LONG],
        "time": [
            None,
            *NO_TEXT,
            *BLANK,
            *BAD_TIMES,
            1762000000,
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00x",
            "1970-01-01T00:00:00+00:01",
            "2026-11-01T00:00:00+24:00",
        ],
        "properties": [1, "x", [], {"$a": 1}, {"time": 1}, {"event_name": 1}, {"a": LONG}, {LONG: 1}, {"a": DEEP}],
    },
    "purchases": {
        "product_id": [None, *NO_TEXT, *BLANK, LONG],
        "currency": [None, *NO_TEXT, *BLANK, "EU", "EURO", "€", "E1R"],
        "price": [None, "1", True, [], {}, 2**54, -(10**13), 10**13],
        "quantity": [None, "1", True, 0, -1, 101, 1.5, []],
        "time": [None, *BAD_TIMES],
    },
}
START = {"attributes": {"external_id": "bad", "name": "kept whole"}, "events": EVENT, "purchases": BOUGHT}
CASES = [
    pytest.param(array, field, value, id=f"{array}-{field[:20]}-{number}")
    for array, fields in BAD.items()
    for field, values in fields.items()
    for number, value in enumerate(values)
]


@pytest.mark.parametrize(("array", "field", "value"), CASES)
def test_a_bad_value(api, array, field, value):
    item = START[array] | {field: value}
    if field in ("user_alias", "braze_id"):
        item.pop("external_id")
    body = api.track(**{"attributes": [NEIGHBOUR], array: [*([NEIGHBOUR] if array == "attributes" else []), item]})
    (error,) = body["errors"]
    assert (error["input_array"], error["index"]) == (array, 1 if array == "attributes" else 0)
    assert error["type"] == error["type"].upper()
    assert error["message"]
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["neighbour"]
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "Ä.Ö@bücher.de"),
        ("email", " Max+tag@Example.org "),
        ("email", "A" * 64),
        ("phone", "0049 (0) 151 12345678"),
        ("phone", "not a number at all"),
        ("idfa", "00000000-0000-0000-0000-000000000000"),
        ("idfa", "no-such-device"),
        ("time_zone", "Europe/Berlin"),
        ("custom", "<script>alert(1)</script>"),
        ("custom", "\u202ertl\u2066 👩‍👩‍👧‍👦 {{7*7}}"),
        ("app_group", 1),
        ("app_group_id", 1),
        ("id", 1),
        ("email_sha256", "00"),
        ("merged_into", 1),
        ("created_at", "1999-01-01T00:00:00Z"),
    ],
)
def test_an_odd_value_is_kept_and_touches_nothing_else(api, acme, person, field, value):
    api.track(attributes=[{"external_id": "a", field: value}])
    found = person("a")
    assert found.app_group == acme
    if field in ("email", "phone", "idfa"):
        assert getattr(found, field) == value.strip()
        assert (getattr(found, f"{field}_sha256") is None) == bool(found.invalid_kinds)
    else:
        assert found.attributes == {field: value}
        assert (found.email_sha256, found.merged_into, found.created_at.year > 2000) == (None, None, True)


@pytest.mark.parametrize(
    "names", [{"external_id": "a", "braze_id": "0" * 24}, {"external_id": "a", "user_alias": {}}, {}, {"email": None}]
)
def test_exactly_one_name(api, names):
    (error,) = api.track(status=400, attributes=[names | {"plan": "x"}])["errors"]
    assert error["type"] in ("TOO_MANY_IDENTIFIERS", "NO_IDENTIFIER")
    assert not Profile.objects.exists()
