"""Build a filter by buttons that work without JavaScript: add, nest, copy, remove, preview."""

import re

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Segment
from canvases.models import Canvas
from tests.support.segment_form import condition, segment_data

pytestmark = pytest.mark.thorough

NEW = "/g/acme/people/segments/new/"
GERMAN = {"field": "country", "op": "is", "value": "DE"}
NESTED = {
    "all": [
        GERMAN,
        {
            "any": [
                {
                    "event": "order",
                    "op": "at_least",
                    "n": 2,
                    "days": 365,
                    "where": [{"property": "category", "op": "in", "value": ["shoes", "shirts"]}],
                },
                {"field": "custom.total", "op": "greater", "value": 2.5},
                {"field": "email", "op": "exists"},
            ]
        },
        {
            "none": [
                {"purchase": "", "op": "never"},
                {"event": "order", "op": "last_before", "day": "2026-11-23"},
                {"event": "order", "op": "first_after", "days": 30},
                {"field": "ads_consent", "op": "missing"},
            ]
        },
        {"field": "custom.seen", "op": "more_than_days_ago", "value": 30},
    ]
}


@pytest.fixture
def browser(acme, bob, signed_in):
    return signed_in(bob)


def controls(answer):
    """Return the name and text of every control of the page."""
    form = answer.context["form"]
    values = {name: form[name].value() for name in form.fields}
    return {name: "" if text is None else text for name, text in values.items()}


def press(browser, data, **button):
    answer = browser.post(NEW, data | button)
    assert answer.status_code == 200
    return controls(answer)


def test_conditions_and_groups_are_added_copied_and_removed(browser):
    data = controls(browser.get(NEW)) | {"name": "N"} | condition("country", "is", "DE")
    data = press(browser, data, add_group="0")
    data = press(browser, data | condition("country", "is", "FR", "0.1.0"), copy="0.1.0")
    data = press(browser, data | condition("language", "is", "fr", "0.1.1"), copy="0.1")
    data = press(browser, data | {"match-0.2": "none"}, remove="0.0")
    data = press(browser, data, remove="0.1.0")
    answer = browser.post(NEW, data | {"save": "1"})
    assert answer.status_code == 302
    french = {"field": "country", "op": "is", "value": "FR"}
    speaks = {"field": "language", "op": "is", "value": "fr"}
    assert Segment.objects.get().filter == {"all": [{"any": [french, speaks]}, {"none": [speaks]}]}


def test_a_pressed_button_keeps_what_was_typed_and_moves_the_focus(browser):
    data = segment_data(("country", "is", "DE"), name="Half", description="To be continued")
    page = browser.post(NEW, data | {"add": "0"})
    assert controls(page) | data == controls(page)
    html = page.content.decode()
    assert html.index('name="kind-0.1"') < html.index("data-focus") < html.index('name="op-0.1"')
    assert not Segment.objects.exists()


def test_groups_are_nested_two_deep(browser):
    data = segment_data(("country", "is", "DE"))
    page = browser.post(NEW, data | {"add_group": "0"})
    assert 'name="add_group" value="0"' in page.content.decode()
    assert 'name="add_group" value="0.1"' not in page.content.decode()
    assert controls(browser.post(NEW, controls(page) | {"add_group": "0.1"})) == controls(page)


def test_a_nested_filter_opens_and_is_saved_unchanged(acme, browser):
    segment = Segment.objects.create(app_group=acme, name="S", filter=NESTED)
    url = f"/g/acme/people/segments/{segment.pk}/"
    for language in ("en", "de"):
        page = browser.get(url, headers={"accept-language": language})
        data = controls(page) | {"save": "1"}
        answer = browser.post(url, data, headers={"accept-language": language})
        assert answer.status_code == 302
        segment.refresh_from_db()
        assert segment.filter == NESTED


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_tiny_number_opens_and_is_saved_unchanged(acme, browser, language):
    tiny = {"all": [{"field": "custom.rate", "op": "less", "value": 0.00001}]}
    segment = Segment.objects.create(app_group=acme, name="S", filter=tiny)
    url, headers = f"/g/acme/people/segments/{segment.pk}/", {"accept-language": language}
    data = controls(browser.get(url, headers=headers)) | {"save": "1", "anyway": "on"}
    assert browser.post(url, data, headers=headers).status_code == 302
    segment.refresh_from_db()
    assert segment.filter == tiny


def test_properties_of_an_event_are_added_and_removed(browser):
    data = segment_data() | {"kind-0.0": "event", "event-0.0": "order", "op-0.0": "never"}
    data = press(browser, data, add_property="0.0")
    data |= {"property-0.0w0": "category", "compare-0.0w0": "is", "amount-0.0w0": "shoes"}
    data = press(browser, data, add_property="0.0")
    data |= {"property-0.0w1": "total", "compare-0.0w1": "greater", "amount-0.0w1": "1,5"}
    data = press(browser, data, remove="0.0w²")  # no digit of our own pages: removes nothing
    data = press(browser, data, remove="0.0w0")
    browser.post(NEW, data | {"save": "1"}, headers={"accept-language": "de"})
    part = {"property": "total", "op": "greater", "value": 1.5}
    assert Segment.objects.get().filter == {
        "all": [{"event": "order", "op": "never", "where": [part]}]
    }


@pytest.mark.parametrize(
    ("controls", "place"),
    [
        ({"kind": "event", "event": "", "op": "never"}, "event"),
        ({"kind": "event", "event": "order", "op": "at_least", "n": ""}, "n"),
        ({"kind": "event", "event": "order", "op": "at_least", "n": "0"}, "n"),
        ({"kind": "event", "event": "order", "op": "never", "days": "9999"}, "days"),
        ({"kind": "event", "event": "order", "op": "last_before", "day": "soon"}, "day"),
        ({"kind": "event", "event": "order", "op": "last_before"}, "op"),
        ({"kind": "event", "event": "order", "op": "often"}, "op"),
        ({"kind": "segment", "op": "in", "segment": ""}, "segment"),
        ({"kind": "segment", "op": "in", "segment": "x"}, "segment"),
        ({"kind": "audience", "op": "in", "audience": ""}, "audience"),
        ({"kind": "weather", "op": "is"}, "kind"),
        ({"kind": "attribute", "field": "x", "op": "more_than_days_ago", "value": "y"}, "value"),
    ],
)
def test_an_error_is_shown_at_its_control(browser, controls, place):
    data = segment_data() | {f"{name}-0.0": text for name, text in controls.items()}
    answer = browser.post(NEW, data | {"save": "1"})
    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == [f"{place}-0.0"]


def test_a_new_kind_of_condition_shows_its_own_controls(browser):
    data = segment_data(("total", "greater", "5")) | {"kind-0.0": "event"}
    names = controls(browser.post(NEW, data | {"draw": "1"}))
    assert {"event-0.0", "n-0.0", "days-0.0"} <= names.keys()
    assert (names["op-0.0"], names["n-0.0"]) == ("at_least", "1")


@pytest.mark.parametrize("kind", ["attribute", "field"])
def test_a_new_kind_of_condition_forgets_the_comparison_of_the_one_before(browser, kind):
    """“is in” of a segment does not become “is one of” of an attribute."""
    data = segment_data() | {"kind-0.0": "segment", "op-0.0": "in", "segment-0.0": ""}
    answer = browser.post(NEW, data | {"kind-0.0": kind, "draw": "1"})
    [select] = re.findall(r'<select name="op-0.0".*?</select>', answer.content.decode(), re.DOTALL)
    assert "selected" not in select


def test_an_empty_inner_group_is_left_out(browser):
    data = (
        segment_data(("country", "is", "DE"))
        | {"match-0.1": "none"}
        | condition("", "is", "", "0.1.0")
    )
    browser.post(NEW, data | {"save": "1"})
    assert Segment.objects.get().filter == {"all": [GERMAN]}


def test_a_circle_is_reported_at_the_segment(acme, browser):
    one = Segment.objects.create(app_group=acme, name="One", filter=GERMAN)
    back = {"any": [{"segment": str(one.api_id), "op": "in"}]}
    two = Segment.objects.create(app_group=acme, name="Two", filter=back)
    data = segment_data(("", "is", ""), name="One", version="1") | {
        "kind-0.1": "segment",
        "op-0.1": "in",
        "segment-0.1": str(two.api_id),
    }
    answer = browser.post(f"/g/acme/people/segments/{one.pk}/", data | {"save": "1"})
    assert answer.status_code == 422
    assert "refers back" in answer.context["form"].errors["segment-0.1"][0]


def test_the_page_counts_groups_and_conditions(acme, browser, make_profile):
    for country in ("DE", "DE", "FR"):
        make_profile(country=country)
    data = segment_data(("country", "is", "DE"), ("country", "is", "FR"), match="none")
    page = browser.post(NEW, data | {"preview": "1"})
    assert page.context["numbers"].by_place == {"0": 0, "0.0": 2, "0.1": 1}
    half = data | {"kind-0.1": "segment", "segment-0.1": "", "op-0.1": "in"}
    fragment = browser.post(f"{NEW}preview/", half)
    assert fragment.status_code == 200
    assert fragment.context["numbers"].by_place == {"0": 1, "0.0": 2}
    assert fragment.context["coverage"] is None
    assert "<form" not in fragment.content.decode()


def test_a_preview_counts_before_there_is_a_name(browser, make_profile):
    make_profile(country="DE")
    data = segment_data(("country", "is", "DE"), name="")
    assert browser.post(f"{NEW}preview/", data).context["coverage"].total == 1


def test_the_page_shows_ten_people_and_then_others(acme, browser, vera, signed_in, make_profile):
    for number in range(12):
        make_profile(external_id=f"p{number}", email=f"anna{number}@example.org")
    segment = Segment.objects.create(app_group=acme, name="All", filter={})
    url = f"/g/acme/people/segments/{segment.pk}/"
    page = browser.get(url)
    assert len(page.context["people"]) == 10
    assert "anna0@example.org" in page.content.decode()
    data = controls(page) | {"others": str(page.context["last"])}
    external_ids = [person.external_id for person in browser.post(url, data).context["people"]]
    assert external_ids[:3] == ["p10", "p11", "p0"]
    masked = signed_in(vera).get(url).content.decode()
    assert "anna0@" not in masked
    assert "a***@e***.org" in masked


def test_viewers_and_others_preview_nothing(acme, vera, charlie, signed_in):
    segment = Segment.objects.create(app_group=acme, name="All", filter={})
    paths = [f"{NEW}preview/", f"/g/acme/people/segments/{segment.pk}/preview/"]
    assert {signed_in(vera).post(path).status_code for path in paths} == {403}
    assert {signed_in(charlie).post(path).status_code for path in paths} == {404}


def test_the_page_names_what_uses_the_segment(acme, browser):
    segment = Segment.objects.create(app_group=acme, name="Used", filter=GERMAN)
    Canvas.objects.create(app_group=acme, name="Welcome", segment=segment)
    refers = {"none": [{"segment": str(segment.api_id), "op": "in"}]}
    Segment.objects.create(app_group=acme, name="Not used", filter=refers)
    uses = browser.get(f"/g/acme/people/segments/{segment.pk}/").context["uses"]
    assert [use.name for use in uses] == ["Welcome", "Not used"]


def test_a_filter_that_asks_for_deleted_events_is_warned_about(acme, browser, settings):
    settings.KEEP_DAYS = settings.KEEP_DAYS | {"events": 100.0}
    data = segment_data() | {"kind-0.0": "event", "event-0.0": "order", "op-0.0": "never"}
    for days, is_warned in (("101", True), ("99", False)):
        page = browser.post(NEW, data | {"days-0.0": days, "preview": "1"})
        assert ("Events are kept for 100 days" in page.content.decode()) is is_warned


def test_names_of_events_are_suggested(acme, browser, make_profile):
    Event.objects.create(
        app_group=acme, profile=make_profile(), name="order placed", at=timezone.now()
    )
    assert '<option value="order placed">' in browser.get(NEW).content.decode()
