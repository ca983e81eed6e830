"""A condition without people says why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Segment
from audiencesync.people.segments.builder import numbers
from tests.support.segment_form import segment_data


@pytest.fixture
def reason(acme):
    """reason(filter of one condition) -> why no person matches."""

    def find(condition):
        counts = numbers.count(acme, {"all": [condition]}, {"0.0": condition}, seconds=2)
        assert counts.by_place == {"0.0": 0}
        return counts.reasons.get("0.0", "")

    return find


def attribute(name, op, **value):
    return {"field": f"custom.{name}", "op": op, **value}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (attribute("unknown", "is", value="a"), "No one has this attribute."),
        (attribute("seen", "more_than_days_ago", value=3), "“seen” is text for 2 people."),
        (attribute("seen", "greater", value=3), "“seen” is text for 2 people."),
        (attribute("born", "greater", value=3), "“born” is a date for 1 person."),
        (attribute("orders", "contains", value="a"), "“orders” is a number for 1 person."),
        (
            attribute("orders", "greater", value=3),
            "1 person has this attribute, with another value.",
        ),
        (attribute("seen", "is_true"), "“seen” is text for 2 people."),
        (attribute("tags", "is", value="a"), "“tags” is a list for 1 person."),
        ({"field": "country", "op": "is", "value": "DE"}, "No one has this field."),
        (
            {"field": "language", "op": "is", "value": "fr"},
            "1 person has this field, with another value.",
        ),
    ],
)
def test_a_comparison_names_what_profiles_hold(reason, make_profile, condition, expected):
    make_profile(language="de", attributes={"seen": "lately", "orders": 2, "tags": ["a"]})
    make_profile(attributes={"seen": "never", "born": "2001-02-03", "unknown": None})
    assert reason(condition) == expected


def test_an_event_names_what_fails_first(reason, acme, make_profile):
    def asked(**more):
        return {"event": "order", "op": "at_least", "n": 1} | more

    person = make_profile()
    assert reason(asked()) == "No such event has arrived."
    at = timezone.now() - timedelta(days=9)
    Event.objects.create(app_group=acme, profile=person, kind="event", name="order", at=at)
    assert reason(asked(days=3)).startswith("No such event in the last 3 days; the last one was on")
    where = [{"property": "size", "op": "is", "value": "L"}]
    assert reason(asked(where=where)) == "No such event has these properties."
    assert reason(asked(n=2)) == "No one did it that often."


def test_a_segment_that_is_empty_is_named(reason, acme, make_profile):
    make_profile()
    empty = {"field": "country", "op": "is", "value": "DE"}
    inner = Segment.objects.create(app_group=acme, name="Empty", filter=empty)
    assert reason({"segment": str(inner.api_id), "op": "in"}) == "This segment is empty."


def test_the_page_shows_the_reason_and_says_if_there_is_none(acme, bob, signed_in, make_profile):
    make_profile(country="DE")
    make_profile(country="FR", attributes={"seen": "lately"})
    both = [
        {"field": "country", "op": "is", "value": "DE"},
        attribute("seen", "is", value="lately"),
    ]
    client = signed_in(bob)

    def page(*parts):
        segment = Segment.objects.create(
            app_group=acme, name=f"S{len(parts)}{parts[1]['op']}", filter={"all": [*parts]}
        )
        return client.get(f"/g/acme/people/segments/{segment.pk}/").content.decode()

    data = segment_data(("seen", "more_than_days_ago", "3"))
    preview = client.post("/g/acme/people/segments/new/preview/", data).content.decode()
    assert "“seen” is text for 1 person.</p>" in preview
    alone = "Each condition finds people, but no one matches all of them."
    assert alone in page(*both)
    html = page(both[0], attribute("seen", "greater", value=3))
    assert 'id="why-0.1">“seen” is text for 1 person.</p>' in html
    assert alone not in html
