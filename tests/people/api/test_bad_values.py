"""A bad object is refused, a bad field dropped, with index, reason and field; others are kept."""

import pytest

from audiencesync.people.models import Event, Profile

NEIGHBOUR = {"external_id": "neighbour"}
NOW = "2026-11-01T10:00:00Z"
NOT_AN_ID = [1.5, 1.0, True, False, [], {}, ["a"], {"a": 1}]
NOT_A_TEXT = [1, *NOT_AN_ID]
BLANK = ["", " ", "\t", "\u00a0", "\u3000"]
DEEP = [[[[[[[[[[1]]]]]]]]]]
LONG = "x" * 256
EVENT = {"external_id": "bad", "name": "cart", "time": NOW}
PURCHASE = {"external_id": "bad", "product_id": "p", "currency": "EUR", "price": 1, "time": NOW}
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
BAD_TIMES = [
    "yesterday",
    "2026-13-01T00:00:00Z",
    "2026-11-01T25:00:00Z",
    "1969-12-31T23:59:59Z",
    "1e9",
    "2026-11-01T",
]
BAD = {  # a bad value here: the object names no person, event or purchase and is refused
    "attributes": {
        "external_id": [*NOT_AN_ID, *BLANK, "ä" * 494, "x" * 988],
        "user_alias": [
            1,
            "x",
            [],
            {},
            {"alias_name": "x"},
            {"alias_label": "x"},
            {"alias_name": "", "alias_label": "x"},
        ],
        "braze_id": [
            1,
            "",
            "x",
            "0" * 23,
            "0" * 25,
            "g" * 24,
            "f" * 24,
            "0" * 24,
            "A" * 24,
            "٣" * 24,
        ],
        "_update_existing_only": ["true", 1, [], {}],
        "_merge_objects": ["true", 1, [], {}],
    },
    "events": {
        "name": [None, *NOT_A_TEXT, *BLANK, LONG],
        "time": [
            None,
            *NOT_A_TEXT,
            *BLANK,
            *BAD_TIMES,
            1762000000,
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00x",
            "1970-01-01T00:00:00+00:01",
            "2026-11-01T00:00:00+24:00",
        ],
    },
    "purchases": {
        "product_id": [None, *NOT_AN_ID, *BLANK, LONG],
        "currency": [None, *NOT_A_TEXT, *BLANK, "EU", "EURO", "€", "E1R"],
        "price": [
            None,
            "",
            "one",
            "1.2.3",
            "1e3",
            "NaN",
            True,
            [],
            {},
            2**54,
            -(10**13),
            10**13,
            "1" * 15,
        ],
        "quantity": ["x", True, 0, -1, 101, 1.5, "0", "1.5", []],
        "time": [None, *BAD_TIMES],
    },
}
FIELDS = {  # a bad value here drops the field only
    "attributes": {
        "email": [*NOT_A_TEXT, *BAD_EMAILS],
        "phone": [1.5, True, [], {}, "1" * 65],
        "country": [*NOT_A_TEXT, "D", "D1", "Narnia", "ÄÖ", "zz"],
        "language": [*NOT_A_TEXT, "d", "deutsch-und-mehr", "d3", "d--", "en-"],
        "idfa": [*NOT_A_TEXT, "x" * 65],
        "google_ad_id": [*NOT_A_TEXT, "x" * 65],
        "ad_tracking_enabled": ["perhaps", 2, 0.5, [], {}],
        "ads_consent": ["perhaps", 2, [], {}],
        "devices": [
            1,
            "x",
            {},
            [1],
            [None],
            [{"idfa": 1}],
            [{"google_ad_id": LONG}],
            [{"ad_tracking_enabled": "?"}],
        ],
        "gender": ["?", 1, "Martian"],
        "dob": ["yesterday", 1, "2000-1-1", "٢٠٠٠-01-01", "2026-99-99", "2000-01-01Tx"],
        "email_subscribe": ["yes", True],
        "custom": [
            LONG,
            [LONG],
            {"a": LONG},
            DEEP,
            list(range(501)),
            2**53 + 1,
            -(2**53) - 1,
            {"": 1},
            {LONG: 1},
        ],
        "counter": [{"inc": "1"}, {"inc": True}, {"inc": None}, {"inc": 2**60}],
        "tags": [
            {"$add": {}},
            {"$add": [1]},
            {"$update": 1, "x": 2},
            {"$update": [{"$identifier_key": "id", "$identifier_value": 1}]},
            {"$remove": [{"id": 1}]},
            {"$remove": [1]},
            {"add": "x"},
            {"remove": 1},
            {"add": [1], "remove": 1},
            {"add": None},
            {"add": [LONG]},
            {"add": list(range(501))},
        ],
        "": [1],
        "x" * 256: [1],
    },
    "events": {
        "properties": [
            1,
            "x",
            [1],
            {"$a": 1},
            {"time": 1},
            {"event_name": 1},
            {"a": LONG},
            {LONG: 1},
            {"a": DEEP},
        ]
    },
    "purchases": {"properties": [1, {"$a": 1}]},
}
START = {
    "attributes": {"external_id": "bad", "name": "kept whole"},
    "events": EVENT,
    "purchases": PURCHASE,
}


def cases(bad):
    return [
        pytest.param(array, field, value, id=f"{array}-{field[:20]}-{number}")
        for array, fields in bad.items()
        for field, values in fields.items()
        for number, value in enumerate(values)
    ]


CASES, FIELD_CASES = cases(BAD), cases(FIELDS)


@pytest.mark.parametrize(("array", "field", "value"), CASES)
def test_a_bad_required_value_refuses_its_object_alone(api, array, field, value):
    item = START[array] | {field: value}
    if field in ("user_alias", "braze_id"):
        item.pop("external_id")
    body = api.track(
        **{
            "attributes": [NEIGHBOUR],
            array: [*([NEIGHBOUR] if array == "attributes" else []), item],
        }
    )
    (error,) = body["errors"]
    assert (error["input_array"], error["index"]) == (array, 1 if array == "attributes" else 0)
    assert error["type"] == error["type"].upper()
    assert error["message"]
    assert list(Profile.objects.values_list("external_id", flat=True)) == ["neighbour"]
    assert not Event.objects.exists()


@pytest.mark.parametrize(("array", "field", "value"), FIELD_CASES)
def test_a_bad_field_is_dropped_and_reported(api, array, field, value):
    neighbour = {"attributes": {"plan": "gold"}, "events": {}, "purchases": {}}[array]
    body = api.track(**{array: [START[array] | neighbour | {field: value}]})
    assert body[f"{array}_processed"] == 1
    (error,) = body["errors"]
    assert (error["input_array"], error["index"], error["type"].upper()) == (
        array,
        0,
        error["type"],
    )
    assert error["message"]
    profile = Profile.objects.get(external_id="bad")
    assert (profile.email, profile.phone, profile.country, profile.language, profile.idfa) == (
        "",
        "",
        "",
        "",
        "",
    )
    assert profile.attributes == (
        {"name": "kept whole", "plan": "gold"} if array == "attributes" else {}
    )
    assert [event.properties for event in Event.objects.all()] == [{}] * (array != "attributes")


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
def test_an_odd_value_is_kept_and_changes_nothing_else(api, acme, person, field, value):
    api.track(attributes=[{"external_id": "a", field: value}])
    profile = person("a")
    assert profile.app_group == acme
    if field in ("email", "phone", "idfa"):
        assert getattr(profile, field) == value.strip()
        assert (getattr(profile, f"{field}_sha256") is None) == bool(profile.invalid_kinds)
    else:
        assert profile.attributes == {field: value}
        assert (profile.email_sha256, profile.merged_into, profile.created_at.year > 2000) == (
            None,
            None,
            True,
        )


@pytest.mark.parametrize(
    "identifiers",
    [
        {"external_id": "a", "braze_id": "0" * 24},
        {"external_id": "a", "user_alias": {}},
        {},
        {"email": None},
    ],
)
def test_an_object_without_exactly_one_identifier_is_refused(api, identifiers):
    (error,) = api.track(status=400, attributes=[identifiers | {"plan": "x"}])["errors"]
    assert error["type"] in ("TOO_MANY_IDENTIFIERS", "NO_IDENTIFIER")
    assert not Profile.objects.exists()
