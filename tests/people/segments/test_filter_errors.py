"""Refuse an invalid filter with its place and a reason; describe a valid one in words."""

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from audiencesync.people.segments import filters
from audiencesync.people.segments.filters import FilterError

VALID = {"field": "country", "op": "is", "value": "DE"}


def nested(depth):
    filter_ = VALID
    for _ in range(depth):
        filter_ = {"all": [filter_]}
    return filter_


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ([], ""),
        ("country", ""),
        (7, ""),
        ({"all": VALID}, ""),
        ({"all": [{"any": []}]}, "all[0]"),
        ({"all": [], "any": []}, ""),
        ({"none": []}, ""),
        ({"all": [VALID, 7]}, "all[1]"),
        ({"all": [VALID, {"any": [VALID | {"op": "like"}]}]}, "all[1].any[0].op"),
        (VALID | {"extra": 1}, ""),
        ({"field": "country", "value": "DE"}, ""),
        (VALID | {"field": "password"}, "field"),
        (VALID | {"field": "app_group__members__password"}, "field"),
        (VALID | {"field": "custom."}, "field"),
        (VALID | {"field": "custom.a\x00"}, "field"),
        (VALID | {"field": "custom." + "a" * 256}, "field"),
        (VALID | {"field": ["country"]}, "field"),
        (VALID | {"field": "phone"}, "op"),
        (VALID | {"field": "phone", "op": "contains"}, "op"),
        (VALID | {"op": ["is"]}, "op"),
        (VALID | {"op": "exists"}, "value"),
        (VALID | {"value": ""}, "value"),
        (VALID | {"value": None}, "value"),
        (VALID | {"value": 5}, "value"),
        (VALID | {"value": "a\x00b"}, "value"),
        (VALID | {"value": "\ud800"}, "value"),
        (VALID | {"value": "a" * 10_000}, "value"),
        (VALID | {"op": "in", "value": "DE"}, "value"),
        (VALID | {"op": "in", "value": []}, "value"),
        (VALID | {"op": "in", "value": ["DE"] * 1001}, "value"),
        (VALID | {"op": "in", "value": ["DE", None]}, "value[1]"),
        ({"field": "custom.x", "op": "is", "value": True}, "value"),
        ({"field": "custom.x", "op": "is", "value": 10**400}, "value"),
        ({"field": "custom.x", "op": "is", "value": float("nan")}, "value"),
        ({"field": "custom.x", "op": "greater", "value": float("inf")}, "value"),
        ({"field": "custom.x", "op": "greater", "value": "many"}, "value"),
        ({"field": "custom.x", "op": "contains", "value": 5}, "value"),
        ({"field": "custom.x", "op": "is", "value": {"a": 1}}, "value"),
        ({"field": "created_at", "op": "greater", "value": "9999-12-31"}, "value"),
        ({"field": "created_at", "op": "greater", "value": "20261123"}, "value"),
        ({"field": "created_at", "op": "greater", "value": 5}, "value"),
        ({"any": [VALID] * 100}, "any[99]"),
        (nested(6), "all[0].all[0].all[0].all[0].all[0]"),
        (nested(900), "all[0].all[0].all[0].all[0].all[0]"),
    ],
)
def test_an_invalid_filter_is_refused(raw, path):
    with pytest.raises(FilterError) as caught:
        filters.parse(raw)
    assert (caught.value.path, bool(caught.value.message)) == (path, True)


def test_more_than_ten_thousand_listed_values_are_refused():
    many = {"any": [{"field": "country", "op": "in", "value": ["DE"] * 1000}] * 11}
    with pytest.raises(FilterError) as caught:
        filters.parse(many)
    assert caught.value.path == "any[10].value"


def test_five_levels_and_a_hundred_nodes_are_accepted():
    assert filters.parse(nested(5))
    assert filters.parse({"any": [VALID] * 99})


WORDS = "all any none field op value event purchase n days day where property audience"
KEYS = st.sampled_from(WORDS.split())
ATOMS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(
        ["country", "custom.x", "is", "in", "greater", "is_true", "never", "at_least"]
    )
)
TREES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@settings(max_examples=500)
@given(TREES)
def test_any_input_is_either_a_filter_or_an_error(raw):
    try:
        filters.parse(raw)
    except FilterError:
        with pytest.raises(FilterError):
            filters.describe(raw)
    else:
        assert filters.describe(raw)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({}, "everybody"),
        ({"any": []}, "everybody"),
        (VALID, "everybody whose country is “DE”"),
        ({"field": "email", "op": "exists"}, "everybody whose e-mail is known"),
        (
            {"field": "created_at", "op": "greater", "value": "2026-11-23"},
            "everybody whose date of creation is after 23 Nov 2026",
        ),
        (
            {"all": [VALID, {"field": "custom.orders", "op": "less", "value": 3}]},
            "everybody whose country is “DE” and whose orders is less than 3",
        ),
        (
            {"all": [VALID, {"any": [VALID, {"field": "custom.vip", "op": "is_true"}]}]},
            "everybody whose country is “DE” and (whose country is “DE” or whose vip is true)",
        ),
        (
            {"field": "country", "op": "in", "value": list("ABCDEF")},
            "everybody whose country is one of “A”, “B”, “C”, “D”, “E” …",
        ),
        (
            {"all": [VALID, {"none": [VALID, {"event": "order", "op": "never", "days": 90}]}]},
            "everybody whose country is “DE” and whose country is not “DE”"
            " and who performed “order” at least once in the last 90 days",
        ),
        (
            {
                "purchase": "",
                "op": "at_least",
                "n": 1,
                "where": [{"property": "price", "op": "greater", "value": 9.5}],
            },
            "everybody who bought something (where price is greater than 9.5) at least once",
        ),
        (
            {"event": "order", "op": "last_before", "days": 30},
            "everybody who performed “order” for the last time more than 30 days ago",
        ),
        (
            {"field": "custom.seen", "op": "more_than_days_ago", "value": 30},
            "everybody whose seen is more than 30 days ago",
        ),
        (
            {"none": [{"all": [VALID, {"event": "order", "op": "at_least", "n": 1, "days": 9}]}]},
            "everybody whose country is not “DE” or who never performed “order” in the last 9 days",
        ),
        (
            {
                "all": [
                    {"field": "ads_consent", "op": "is_true"},
                    {"any": [VALID, {"none": [{"event": "order", "op": "at_most", "n": 2}]}]},
                ]
            },
            "everybody who consents to advertising"
            " and (whose country is “DE” or who performed “order” at least 3 times)",
        ),
    ],
)
def test_a_filter_is_described_in_words(raw, words):
    assert filters.describe(raw) == words


def test_the_words_are_a_german_sentence():
    bought = {"event": "purchase", "op": "at_least", "n": 2, "days": 365}
    value = {"field": "custom.value", "op": "greater", "value": 250}
    raw = {"all": [{"any": [bought, value]}, {"none": [VALID, bought | {"n": 1, "days": 90}]}]}
    with translation.override("de"):
        assert filters.describe(raw) == (
            "alle, (die „purchase“ mindestens 2-mal in den letzten 365 Tagen ausgelöst haben"
            " oder deren value größer als 250 ist) und deren Land nicht „DE“ ist"
            " und die „purchase“ in den letzten 90 Tagen nie ausgelöst haben"
        )
