"""Conditions on events: how often, since when, with which properties, first and last time."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from audiencesync.people.models import Event, Profile
from audiencesync.people.segments import filters
from tests.support import builder

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
ORDER = {"event": "order", "op": "at_least", "n": 1}


@pytest.fixture
def happened(acme):
    """Return happened(person, days ago, name, **fields): the event of a person with this id."""

    def create_event(person, days_ago, name="order", *, properties=None, **fields):
        profile, _is_new = Profile.objects.get_or_create(app_group=acme, external_id=person)
        Event.objects.create(
            app_group=acme,
            profile=profile,
            name=name,
            at=NOW - timedelta(days=days_ago),
            properties=properties or {},
            **fields,
        )

    return create_event


@pytest.fixture
def customers(happened, acme):
    """a ordered thrice, b once long ago, c in the future, d looked at something, e did nothing."""
    for days_ago in (1, 10, 400):
        happened("a", days_ago, properties={"category": "shoes", "total": 50})
    happened("b", 100, properties={"category": ["shoes"], "total": "50"})
    happened("c", -5, properties={"category": "jackets", "total": True})
    happened("d", 1, "view")
    Profile.objects.create(app_group=acme, external_id="e")


def matching(condition):
    """Return the ids of people who match; assert that all others match the negation."""
    query = filters.parse(condition, now=NOW)
    external_ids = set(Profile.objects.filter(query).values_list("external_id", flat=True))
    others = set(Profile.objects.exclude(query).values_list("external_id", flat=True))
    none = filters.parse({"none": [condition]}, now=NOW)
    assert external_ids.isdisjoint(others)
    assert others == set(Profile.objects.filter(none).values_list("external_id", flat=True))
    return "".join(sorted(external_ids))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"op": "at_least", "n": 1}, "abc"),
        ({"op": "at_least", "n": 1, "days": 30}, "a"),
        ({"op": "at_least", "n": 2, "days": 30}, "a"),
        ({"op": "at_least", "n": 3, "days": 30}, ""),
        ({"op": "at_least", "n": 3}, "a"),
        ({"op": "at_most", "n": 2}, "bcde"),
        ({"op": "at_most", "n": 2, "days": 30}, "abcde"),
        ({"op": "at_most", "n": 0}, "de"),
        ({"op": "exactly", "n": 2, "days": 30}, "a"),
        ({"op": "exactly", "n": 1}, "bc"),
        ({"op": "exactly", "n": 0, "days": 30}, "bcde"),
        ({"op": "never"}, "de"),
        ({"op": "never", "days": 30}, "bcde"),
    ],
)
def test_an_event_is_counted_within_its_days(customers, condition, expected):
    assert matching({"event": "order"} | condition) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"op": "first_before", "days": 300}, "a"),
        ({"op": "first_after", "days": 300}, "bc"),
        ({"op": "last_before", "days": 30}, "b"),
        ({"op": "last_after", "days": 30}, "ac"),
        ({"op": "last_after", "day": "2026-11-28"}, "c"),
        ({"op": "last_after", "day": "2026-11-27"}, "ac"),
        ({"op": "last_before", "day": "2026-11-28"}, "b"),
        ({"op": "last_before", "day": "2026-11-29"}, "ab"),
        ({"op": "first_after", "day": "2026-08-20"}, "bc"),
        ({"op": "first_before", "day": "2026-08-21"}, "a"),
    ],
)
def test_the_first_and_the_last_time_are_compared(customers, condition, expected):
    assert matching({"event": "order"} | condition) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (("category", "is", "SHOES"), "a"),
        (("category", "contains", "shoes"), "ab"),
        (("category", "in", ["jackets", "shirts"]), "c"),
        (("category", "is_not", "shoes"), "bc"),
        (("total", "greater", 40), "a"),
        (("total", "less", 60), "a"),
        (("total", "is", 50), "a"),
        (("total", "is_true", None), "c"),
        (("missing", "missing", None), "abc"),
        (("missing", "exists", None), ""),
    ],
)
def test_a_property_of_another_type_does_not_match(customers, where, expected):
    name, op, value = where
    part = {"property": name, "op": op} | ({} if value is None else {"value": value})
    assert matching(ORDER | {"where": [part]}) == expected


def test_all_properties_hold_for_the_same_event(customers, happened):
    happened("d", 2, properties={"category": "shoes", "total": 10})
    happened("d", 3, properties={"category": "jackets", "total": 90})
    shoes = {"property": "category", "op": "is", "value": "shoes"}
    dear = {"property": "total", "op": "greater", "value": 20}
    assert matching(ORDER | {"where": [shoes, dear]}) == "a"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"purchase": "", "op": "at_least", "n": 2}, "a"),
        ({"purchase": "sku-1", "op": "at_least", "n": 1}, "ab"),
        ({"purchase": "sku-1", "op": "never"}, "c"),
        ({"event": "sku-1", "op": "at_least", "n": 1}, "c"),
    ],
)
def test_a_purchase_is_no_event(happened, condition, expected):
    sold = {"kind": "purchase", "price": "19.99", "currency": "EUR"}
    happened("a", 1, "sku-1", **sold)
    happened("a", 1, "sku-2", **sold)
    happened("b", 1, "sku-1", **sold)
    happened("c", 1, "sku-1")
    assert matching(condition) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (("price", "greater", 19.98), "a"),
        (("price", "is", 19.99), "a"),
        (("price", "is_not", 19.99), "bc"),
        (("price", "less", 6), "b"),
        (("quantity", "in", [3, 4]), "b"),
        (("currency", "is", "eur"), "a"),
        (("size", "is", "M"), "a"),
    ],
)
def test_a_purchase_is_compared_by_price_quantity_and_currency(happened, where, expected):
    sold = {"kind": "purchase", "name": "sku"}
    happened("a", 1, **sold, price="19.99", currency="EUR", properties={"size": "M", "price": 1})
    happened("b", 1, **sold, price="5", currency="USD", quantity=3)
    happened("c", 1, **sold)
    name, op, value = where
    part = {"property": name, "op": op, "value": value}
    assert matching({"purchase": "", "op": "at_least", "n": 1, "where": [part]}) == expected


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (ORDER | {"event": ""}, "event"),
        (ORDER | {"event": 5}, "event"),
        (ORDER | {"purchase": ""}, ""),
        (ORDER | {"op": "often"}, "op"),
        (ORDER | {"n": 0}, "n"),
        (ORDER | {"n": True}, "n"),
        (ORDER | {"n": 1001}, "n"),
        (ORDER | {"n": 1.5}, "n"),
        (ORDER | {"days": 0}, "days"),
        (ORDER | {"days": 3651}, "days"),
        (ORDER | {"day": "2026-11-23"}, "day"),
        ({"event": "order", "op": "never", "n": 1}, "n"),
        ({"event": "order", "op": "last_before"}, ""),
        ({"event": "order", "op": "last_before", "day": "soon"}, "day"),
        ({"event": "order", "op": "last_before", "day": "2026-11-23", "days": 3}, ""),
        (ORDER | {"where": {}}, "where"),
        (ORDER | {"where": [{"property": "x", "op": "exists"}] * 6}, "where"),
        (ORDER | {"where": [{"property": "", "op": "exists"}]}, "where[0].property"),
        (ORDER | {"where": [{"property": "x", "op": "like"}]}, "where[0].op"),
        (ORDER | {"where": [{"property": "x", "op": "is", "value": {}}]}, "where[0].value"),
        ({"purchase": 7, "op": "never"}, "purchase"),
        (
            {
                "purchase": "",
                "op": "never",
                "where": [{"property": "price", "op": "is", "value": "x"}],
            },
            "where[0].value",
        ),
    ],
)
def test_an_invalid_condition_on_events_is_refused(raw, path):
    with pytest.raises(filters.FilterError) as caught:
        filters.parse({"any": [raw]})
    assert caught.value.path == (f"any[0].{path}" if path else "any[0]")


def test_an_index_finds_the_events_of_a_person(acme, customers):
    ann = Profile.objects.get(external_id="a")
    builder.add_other_events(ann)
    query = Profile.objects.filter(filters.parse(ORDER | {"days": 30}), app_group=acme, pk=ann.pk)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan TO off")
    assert "event_by_person_and_name" in query.explain()
