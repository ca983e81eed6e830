"""Conditions on segments: inlined, refused in a circle, kept while something refers to them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import edit, filters

GERMAN = {"field": "country", "op": "is", "value": "DE"}


@pytest.fixture
def segment(acme):
    """segment(name, filter, group=acme) -> a saved segment."""

    def create_segment(name, filter_, group=acme):
        return Segment.objects.create(app_group=group, name=name, filter=filter_)

    return create_segment


def within(segment, op="in"):
    return {"segment": str(segment.api_id), "op": op}


def save(segment, chosen, by):
    edit.save(
        segment,
        name=segment.name,
        description="",
        raw_filter=chosen,
        version=segment.version,
        by=by,
        now=timezone.now(),
    )


def ids(condition):
    people = Profile.objects.filter(filters.parse(condition)).order_by("external_id")
    return [person.external_id for person in people]


def test_a_segment_is_inlined_with_what_it_refers_to(segment, make_profile):
    make_profile(external_id="a", country="DE", language="de")
    make_profile(external_id="b", country="DE")
    make_profile(external_id="c", country="FR")
    germans = segment("Germans", GERMAN)
    speakers = segment(
        "Speakers", {"all": [within(germans), {"field": "language", "op": "exists"}]}
    )
    assert ids(within(speakers)) == ["a"]
    assert ids({"all": [within(germans), within(speakers, "not_in")]}) == ["b"]
    assert ids(within(germans, "not_in")) == ["c"]


def test_a_circle_of_segments_is_refused(segment, bob):
    one = segment("One", GERMAN)
    two = segment("Two", {"any": [within(one)]})
    three = segment("Three", within(two, "not_in"))
    for other in (one, two, three):
        with pytest.raises(filters.FilterError) as caught:
            save(one, {"all": [GERMAN, within(other)]}, bob)
        assert caught.value.path == "all[1].segment"
    save(three, within(one), bob)
    assert Segment.objects.get(pk=three.pk).filter == within(one)


def test_a_stored_circle_is_an_error_and_no_endless_loop(segment):
    one = segment("One", GERMAN)
    Segment.objects.filter(pk=one.pk).update(filter=within(one))
    with pytest.raises(filters.FilterError):
        filters.parse(within(one))
    assert filters.describe(within(one)) == "everybody who is in the segment “One”"


def test_a_long_chain_of_segments_is_refused(segment, bob, acme):
    last = segment("0", GERMAN)
    chain = [last := segment(str(n), within(last)) for n in range(1, 6)]
    with pytest.raises(filters.FilterError):
        edit.create(acme, name="Too long", raw_filter=within(chain[-1]), by=bob)
    lowest = Segment.objects.get(name="0")
    with pytest.raises(filters.FilterError):
        save(lowest, within(segment("Below", GERMAN)), bob)


def test_a_segment_of_another_group_is_refused(segment, other_group, acme, bob, make_profile):
    theirs = segment("Theirs", GERMAN, other_group)
    make_profile(country="DE")
    for unknown in (within(theirs), {"segment": str(uuid4()), "op": "in"}):
        with pytest.raises(filters.FilterError) as caught:
            edit.create(acme, name="Mine", raw_filter=unknown, by=bob)
        assert caught.value.path == "segment"
    assert Profile.objects.filter(filters.parse(within(theirs)), app_group=acme).count() == 0


def test_a_segment_is_kept_while_another_refers_to_it(segment, bob):
    germans = segment("Germans", GERMAN)
    user = segment("User", {"none": [within(germans)]})
    with pytest.raises(edit.InUse) as caught:
        edit.remove(germans, by=bob)
    assert caught.value.users == ["User"]
    edit.remove(user, by=bob)
    edit.remove(germans, by=bob)
    assert not Segment.objects.exists()


@pytest.mark.parametrize("name", ["", 7, "Germans", None])
def test_a_segment_is_named_by_its_api_id(name):
    with pytest.raises(filters.FilterError) as caught:
        filters.parse({"segment": name, "op": "in"})
    assert caught.value.path == "segment"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (GERMAN, False),
        ({"field": "created_at", "op": "more_than_days_ago", "value": 3}, True),
        ({"field": "custom.seen", "op": "less_than_days_ago", "value": 3}, True),
        ({"event": "order", "op": "never"}, False),
        ({"event": "order", "op": "never", "days": 30}, True),
        ({"event": "order", "op": "last_before", "day": "2026-11-23"}, False),
        ({"event": "order", "op": "last_before", "days": 3}, True),
        ({"audience": 7, "op": "in"}, True),
        ({"all": "broken"}, False),
    ],
)
def test_time_alone_changes_some_filters(segment, condition, expected):
    assert filters.is_timed(condition) is expected
    assert filters.is_timed(within(segment("Other", condition), "not_in")) is expected


def test_segments_of_a_filter_are_listed(segment):
    inner = segment("Inner", {"purchase": "", "op": "never"})
    outer = {"all": [{"event": "order", "op": "never"}, within(inner)]}
    assert filters.segments_in(outer) == {str(inner.api_id)}


@pytest.mark.parametrize(
    ("op", "n", "expected"),
    [
        ("more_than_days_ago", 3, ["old"]),
        ("less_than_days_ago", 3, ["new"]),
        ("less_than_days_ago", 30, ["new", "old"]),
        ("in_the_next_days", 5, ["new", "soon"]),
    ],
)
def test_a_date_is_compared_with_today(amid_an_hour, make_profile, op, n, expected):
    today = timezone.now().date()
    for name, days in (("new", 0), ("old", -10), ("soon", 4), ("later", 60)):
        created_at = timezone.now() + timedelta(days=min(days, 0))
        seen = (today + timedelta(days=days)).isoformat()
        make_profile(external_id=name, created_at=created_at, attributes={"seen": seen, "x": 4})
    assert ids({"field": "custom.seen", "op": op, "value": n}) == expected
    assert ids({"field": "custom.x", "op": op, "value": n}) == []
    if op == "more_than_days_ago":
        assert ids({"field": "created_at", "op": op, "value": n}) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("Gold", ["list"]), ("gol", ["text"]), ("5", ["list"]), ("x'", [])]
)
def test_a_list_contains_a_whole_element(make_profile, value, expected):
    make_profile(external_id="list", attributes={'x "1"': ["gold", 5, None, {"a": "x'"}]})
    make_profile(external_id="text", attributes={'x "1"': "gol"})
    make_profile(external_id="other", attributes={'x "1"': {"gold": "gold"}})
    assert ids({"field": 'custom.x "1"', "op": "contains", "value": value}) == expected
