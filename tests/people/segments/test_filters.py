"""A condition matches the same people on SQLite and PostgreSQL: the suite runs on both."""

from datetime import UTC, datetime

import pytest

from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import filters

VALUES = {
    "gold": "gold",
    "Golden": "Golden",
    "five": 5,
    "five-text": "5",
    "five-float": 5.0,
    "half": 0.1,
    "yes": True,
    "yes-text": "true",
    "no": False,
    "null": None,
    "day": "2026-11-23",
    "timestamp": "2026-11-23T10:00:00Z",
    "list": ["gold", 5],
    "object": {"gold": 5},
    "huge": 10**30,
    "emoji": "größe 👩‍👩‍👧",
    "quote": "a\"b'c%d_\\",
}
ALL_PEOPLE = {*VALUES, "nothing"}


@pytest.fixture
def people(acme):
    for name, value in VALUES.items():
        Profile.objects.create(
            app_group=acme, external_id=name, attributes={"x": value, "größe 2": "M", "7": 7}
        )
    Profile.objects.create(app_group=acme, external_id="nothing")


def matching(op, value=None, field="custom.x"):
    condition = {"field": field, "op": op} | ({} if value is None else {"value": value})
    external_ids = set(
        Profile.objects.filter(filters.parse(condition)).values_list("external_id", flat=True)
    )
    others = set(
        Profile.objects.exclude(filters.parse(condition)).values_list("external_id", flat=True)
    )
    # filter() and exclude() complement each other, also where a value is NULL: a split of a canvas
    # sends each person to one branch.
    assert external_ids & others == set()
    assert external_ids | others == ALL_PEOPLE
    return external_ids


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        ("is", "gold", {"gold"}),
        ("is", 5, {"five", "five-float"}),
        ("is", 5.0, {"five", "five-float"}),
        # A form has only texts, so a text that is a number matches the number, too.
        ("is", "5", {"five", "five-float", "five-text"}),
        ("is", 0.1, {"half"}),
        ("is", "true", {"yes-text"}),  # a boolean is found by is_true
        ("is", "007", set()),
        ("is", "a\"b'c%d_\\", {"quote"}),
        ("is_not", "gold", ALL_PEOPLE - {"gold"}),
        ("is_not", 5, ALL_PEOPLE - {"five", "five-float"}),
        ("in", ["gold", 5, "true"], {"gold", "five", "five-float", "yes-text"}),
        ("contains", "OLD", {"gold", "Golden"}),
        ("contains", "%", {"quote"}),
        ("contains", "👩‍👧", {"emoji"}),
        ("starts_with", "gol", {"gold", "Golden"}),
        ("starts_with", "_", set()),
        ("greater", 4.5, {"five", "five-float", "huge"}),
        ("less", 5, {"half"}),
        # Later than a day: not on it, at any time.
        ("greater", "2026-11-22", {"day", "timestamp"}),
        ("greater", "2026-11-23", set()),
        ("less", "2026-11-24", {"day", "timestamp"}),
        ("is_true", None, {"yes"}),
        ("is_false", None, {"no"}),
        ("exists", None, ALL_PEOPLE - {"null", "nothing"}),
        ("missing", None, {"null", "nothing"}),
    ],
)
def test_conditions_on_a_custom_attribute(people, op, value, expected):
    assert matching(op, value) == expected


@pytest.mark.parametrize(("field", "value"), [("custom.größe 2", "M"), ("custom.7", 7)])
def test_attribute_names_in_any_script(people, field, value):
    assert matching("is", value, field) == set(VALUES)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"field": "country", "op": "is", "value": "DE"}, "a"),
        ({"field": "country", "op": "is_not", "value": "DE"}, "bc"),
        ({"field": "country", "op": "in", "value": ["DE", "FR"]}, "ab"),
        ({"field": "country", "op": "missing"}, "c"),
        ({"field": "language", "op": "starts_with", "value": "DE"}, "a"),
        ({"field": "external_id", "op": "contains", "value": "B"}, "b"),
        ({"field": "email", "op": "exists"}, "ab"),
        ({"field": "email", "op": "contains", "value": "@EXAMPLE"}, "a"),
        ({"field": "gaid", "op": "missing"}, "abc"),
        ({"field": "ads_consent", "op": "is_true"}, "a"),
        ({"field": "ads_consent", "op": "is_false"}, "b"),
        ({"field": "ads_consent", "op": "missing"}, "c"),
        ({"field": "created_at", "op": "greater", "value": "2026-01-01"}, "c"),
        ({"field": "created_at", "op": "less", "value": "2026-01-01"}, "a"),
    ],
)
def test_conditions_on_columns(make_profile, condition, expected):
    make_profile(
        external_id="a",
        country="DE",
        language="de-AT",
        email="Jane@Example.com",
        ads_consent=True,
        created_at=datetime(2025, 12, 31, 23, 59, tzinfo=UTC),
    )
    make_profile(
        external_id="b",
        country="FR",
        email="not one",
        ads_consent=False,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    make_profile(external_id="c", created_at=datetime(2026, 1, 2, tzinfo=UTC))
    profiles = Profile.objects.filter(filters.parse(condition)).order_by("external_id")
    others = Profile.objects.exclude(filters.parse(condition)).values_list("external_id", flat=True)
    assert "".join(profile.external_id for profile in profiles) == expected
    assert set(others) == {"a", "b", "c"} - set(expected)


def test_an_email_known_only_by_its_hash_exists(make_profile):
    Profile.objects.filter(pk=make_profile(email="jane@example.com").pk).update(email="")
    assert Profile.objects.filter(filters.parse({"field": "email", "op": "exists"})).count() == 1


def test_all_and_any_can_be_nested(people):
    five, gold = ({"field": "custom.x", "op": "is", "value": value} for value in (5, "gold"))
    present = {"field": "custom.x", "op": "exists"}
    both = {"all": [present, {"any": [five, gold]}]}
    assert Profile.objects.filter(filters.parse(both)).count() == 3
    assert Profile.objects.filter(filters.parse({"all": [five, gold]})).count() == 0


@pytest.mark.parametrize("empty", [None, {}, {"all": []}, {"any": []}])
def test_an_empty_filter_matches_all_people(people, empty):
    assert Profile.objects.filter(filters.parse(empty)).count() == len(ALL_PEOPLE)


def test_ten_lists_of_a_thousand_values_are_accepted(people):
    values = [f"value {i}" for i in range(999)]
    many = {"any": [{"field": "custom.x", "op": "in", "value": [*values, "gold"]}] * 10}
    assert Profile.objects.filter(filters.parse(many)).count() == 1


def test_a_segment_matches_only_its_own_group(make_profile, acme, other_group):
    own_profile = make_profile(external_id="mine", country="DE")
    make_profile(external_id="theirs", country="DE", app_group=other_group)
    condition = {"field": "country", "op": "is", "value": "DE"}
    for filter_ in (condition, {"any": [condition, {"field": "email", "op": "missing"}]}, {}):
        segment = Segment(app_group=acme, name="Germans", filter=filter_)
        assert list(filters.members(segment)) == [own_profile]
