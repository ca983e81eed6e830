"""What is no filter is refused with its place and a reason; what is one can be said in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audiencesync.people.segments import filters
from audiencesync.people.segments.filters import FilterError

GOOD = {"field": "country", "op": "is", "value": "DE"}


def nested(depth):
    filter_ = GOOD
    for _ in range(depth):
        filter_ = {"all": [filter_]}
    return filter_


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ([], ""),
        ("country", ""),
        (7, ""),
        ({"all": GOOD}, ""),
        ({"all": [{"any": []}]}, "all[0]"),
        ({"all": [], "any": []}, ""),
        ({"none": []}, ""),
        ({"all": [GOOD, 7]}, "all[1]"),
        ({"all": [GOOD, {"any": [GOOD | {"op": "like"}]}]}, "all[1].any[0].op"),
        (GOOD | {"extra": 1}, ""),
        ({"field": "country", "value": "DE"}, ""),
        (GOOD | {"field": "password"}, "field"),
        (GOOD | {"field": "app_group__members__password"}, "field"),
        (GOOD | {"field": "custom."}, "field"),
        (GOOD | {"field": "custom.a\x00"}, "field"),
        (GOOD | {"field": "custom." + "a" * 256}, "field"),
        (GOOD | {"field": ["country"]}, "field"),
        (GOOD | {"field": "phone"}, "op"),
        (GOOD | {"field": "phone", "op": "contains"}, "op"),
        (GOOD | {"op": ["is"]}, "op"),
        (GOOD | {"op": "exists"}, "value"),
        (GOOD | {"value": ""}, "value"),
        (GOOD | {"value": None}, "value"),
        (GOOD | {"value": 5}, "value"),
        (GOOD | {"value": "a\x00b"}, "value"),
        (GOOD | {"value": "\ud800"}, "value"),
        (GOOD | {"value": "a" * 10_000}, "value"),
        (GOOD | {"op": "in", "value": "DE"}, "value"),
        (GOOD | {"op": "in", "value": []}, "value"),
        (GOOD | {"op": "in", "value": ["DE"] * 1001}, "value"),
        (GOOD | {"op": "in", "value": ["DE", None]}, "value[1]"),
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
        ({"any": [GOOD] * 100}, "any[99]"),
        (nested(6), "all[0].all[0].all[0].all[0].all[0]"),
        (nested(900), "all[0].all[0].all[0].all[0].all[0]"),
    ],
)
def test_what_is_no_filter_is_refused(raw, path):
    with pytest.raises(FilterError) as caught:
        filters.parse(raw)
    assert (caught.value.path, bool(caught.value.message)) == (path, True)


def test_more_than_ten_thousand_listed_values_are_refused():
    many = {"any": [{"field": "country", "op": "in", "value": ["DE"] * 1000}] * 11}
    with pytest.raises(FilterError) as caught:
        filters.parse(many)
    assert caught.value.path == "any[10].value"


def test_five_levels_and_a_hundred_nodes_pass():
    assert filters.parse(nested(5))
    assert filters.parse({"any": [GOOD] * 99})


KEYS = st.sampled_from(["all", "any", "field", "op", "value"])
ATOMS = (
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["country", "custom.x", "is", "in", "greater", "is_true"])
)
TREES = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)


@settings(max_examples=500, deadline=None)
@given(TREES)
def test_anything_is_either_a_filter_or_an_error(raw):
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
        (GOOD, "country is “DE”"),
        ({"field": "email", "op": "exists"}, "e-mail exists"),
        (
            {"field": "created_at", "op": "greater", "value": "2026-11-23"},
            "created on is after “2026-11-23”",
        ),
        (
            {"all": [GOOD, {"field": "custom.orders", "op": "less", "value": 3}]},
            "country is “DE” and orders is less than 3",
        ),
        (
            {"all": [GOOD, {"any": [GOOD, {"field": "custom.vip", "op": "is_true"}]}]},
            "country is “DE” and (country is “DE” or vip is true)",
        ),
        (
            {"field": "country", "op": "in", "value": list("ABCDEF")},
            "country is one of “A”, “B”, “C”, “D”, “E” …",
        ),
    ],
)
def test_a_filter_in_words(raw, words):
    assert filters.describe(raw) == words
