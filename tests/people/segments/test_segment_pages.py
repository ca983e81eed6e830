"""Segment pages: create, preview, change, remove, roles and concurrent saves."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiencesync.groups.models import Activity
from audiencesync.people.models import Segment
from audiencesync.people.segments import edit
from canvases.models import Canvas
from tests.support.segment_form import segment_data

pytestmark = pytest.mark.thorough

LIST, NEW = "/g/acme/people/segments/", "/g/acme/people/segments/new/"
GERMANS = {"all": [{"field": "country", "op": "is", "value": "DE"}]}


def form_data(*rows, save=True, **more):
    """Return form data with these (field, op, value) rows."""
    button = {"save": "1"} if save else {"preview": "1"}
    return segment_data(*rows, **{"name": "Germans"} | button | more)


@pytest.fixture
def germans(acme, make_profile):
    make_profile(country="DE", email="jane@example.com", phone="030 23125123")
    make_profile(country="DE", email="not one")
    make_profile(country="FR", email="joe@example.com")
    return Segment.objects.create(app_group=acme, name="Germans", filter=GERMANS)


def url(segment, then=""):
    return f"{LIST}{segment.pk}/{then}"


def test_a_marketer_creates_a_segment(acme, bob, signed_in):
    rows = [
        ("country", "is", "DE"),
        ("", "is", ""),
        ("orders", "greater", "2.5"),
        ("vip", "is_true", ""),
    ]
    answer = signed_in(bob).post(NEW, form_data(*rows))
    segment = Segment.objects.get()
    assert answer["Location"] == LIST
    assert (segment.app_group, segment.name, segment.created_by) == (acme, "Germans", bob)
    assert segment.filter == {
        "all": [
            GERMANS["all"][0],
            {"field": "custom.orders", "op": "greater", "value": 2.5},
            {"field": "custom.vip", "op": "is_true"},
        ]
    }
    assert Activity.objects.get().verb == "created"


def test_the_preview_counts_and_saves_nothing(germans, bob, signed_in):
    answer = signed_in(bob).post(NEW, form_data(("country", "is", "DE"), save=False, name="Other"))
    counts = answer.context["coverage"]
    assert (counts.total, counts.by_kind, counts.none) == (
        2,
        {"email": 1, "phone": 1, "idfa": 0, "gaid": 0},
        1,
    )
    assert Segment.objects.count() == 1


def test_the_page_counts_people_that_are_not_added(germans, bob, signed_in, make_profile):
    make_profile(country="DE", email="no@example.com", ads_consent=False)
    make_profile(
        country="DE", gaid="cdda802e-fb9c-47ad-9866-0794d394c912", ad_tracking_enabled=False
    )
    page = signed_in(bob).get(url(germans)).content.decode()
    assert "Not added: no consent to advertising" in page
    assert "Not added: ad tracking is switched off" in page


def test_a_segment_without_conditions_holds_all_people(germans, bob, signed_in):
    signed_in(bob).post(NEW, form_data(name="All"))
    assert Segment.objects.get(name="All").filter == {}
    assert [row["n"] for row in signed_in(bob).get(LIST).context["rows"]] == [3, 2]


def test_a_change_is_saved_and_logged(germans, bob, signed_in):
    signed_in(bob).post(
        url(germans),
        form_data(("Country", "in", "FR, US"), name="Others", version="1", match="any"),
    )
    germans.refresh_from_db()
    assert (germans.name, germans.version) == ("Others", 2)
    assert germans.filter == {"any": [{"field": "country", "op": "in", "value": ["FR", "US"]}]}
    assert Activity.objects.get().verb == "changed"


def test_the_form_saves_an_unchanged_filter(acme, bob, signed_in):
    stored = {
        "any": [
            {"field": "custom.x", "op": "less", "value": 0.125},
            {"field": "custom.country", "op": "in", "value": ["a", "b"]},
            {"field": "ads_consent", "op": "is_false"},
            {"field": "created_at", "op": "greater", "value": "2026-11-23"},
        ]
    }
    segment = Segment.objects.create(app_group=acme, name="S", filter=stored)
    for language in ("en", "de"):
        client = signed_in(bob)
        form = client.get(url(segment), headers={"accept-language": language}).context["form"]
        data = {name: form[name].value() for name in form.fields} | {"save": "1"}
        data = {name: "" if value is None else value for name, value in data.items()}
        answer = client.post(url(segment), data, headers={"accept-language": language})
        assert answer.status_code == 302
        segment.refresh_from_db()
        assert segment.filter == stored


def test_a_stale_save_overwrites_nothing(germans, bob, alice, signed_in):
    signed_in(alice).post(
        url(germans), form_data(("country", "is", "FR"), name="Alice's", version="1")
    )
    late = form_data(("country", "is", "US"), name="Bob's", version="1")
    answer = signed_in(bob).post(url(germans), late)
    html = answer.content.decode()
    assert answer.status_code == 409
    assert all(words in html for words in ("Alice&#x27;s", "“FR”", "Bob&#x27;s", "“US”"))
    assert Segment.objects.get().name == "Alice's"
    again = late | {"version": answer.context["version"]}
    assert signed_in(bob).post(url(germans), again).status_code == 302
    assert Segment.objects.get().name == "Bob's"


def test_a_nested_filter_is_shown_in_words_and_kept(acme, bob, signed_in):
    nested = {"all": [{"any": [GERMANS, GERMANS["all"][0]]}]}
    segment = Segment.objects.create(app_group=acme, name="Nested", filter=nested)
    client = signed_in(bob)
    assert (
        "Everybody whose country is “DE” or whose country is “DE”"
        in client.get(url(segment)).content.decode()
    )
    client.post(url(segment), {"name": "Renamed", "version": "1", "save": "1"})
    segment.refresh_from_db()
    assert (segment.name, segment.filter) == ("Renamed", nested)


def test_removing_asks_for_confirmation(germans, bob, signed_in):
    client = signed_in(bob)
    assert "2 people are in it now" in client.get(url(germans, "remove/")).content.decode()
    assert Segment.objects.exists()
    client.post(url(germans, "remove/"))
    assert not Segment.objects.exists()
    assert Activity.objects.get().verb == "removed"


def test_a_segment_used_by_a_canvas_is_not_removed(germans, acme, bob, signed_in):
    Canvas.objects.create(app_group=acme, name="Welcome", segment=germans)
    answer = signed_in(bob).post(url(germans, "remove/"), follow=True)
    assert (
        "“Germans” cannot be removed, because it is used by “Welcome”." in answer.content.decode()
    )
    assert Segment.objects.exists()
    assert not Activity.objects.filter(verb="removed").exists()


def test_viewers_change_nothing(germans, vera, signed_in):
    client = signed_in(vera)
    page = client.get(url(germans)).content.decode()
    assert "country is “DE”" in page
    assert '<form method="post" class="card"' not in page
    tries = [
        client.get(NEW),
        client.post(NEW, form_data()),
        client.post(url(germans), form_data(version="1")),
    ]
    tries += [client.get(url(germans, "remove/")), client.post(url(germans, "remove/"))]
    assert {answer.status_code for answer in tries} == {403}
    assert Segment.objects.get().version == 1


def test_other_groups_get_404(germans, charlie, signed_in):
    client = signed_in(charlie)
    assert {client.get(path).status_code for path in (LIST, NEW, url(germans))} == {404}
    assert client.get(f"/g/umbrella/people/segments/{germans.pk}/").status_code == 404


def test_the_list_needs_no_more_queries_for_more_segments(
    germans, acme, bob, signed_in, django_assert_num_queries
):
    client = signed_in(bob)
    with CaptureQueriesContext(connection) as one:
        client.get(LIST)
    for i in range(20):
        Segment.objects.create(app_group=acme, name=f"S{i}", filter=GERMANS)
    with django_assert_num_queries(len(one)):
        client.get(LIST)


def test_a_description_is_stored_shown_and_logged(acme, bob, signed_in, germans):
    browser = signed_in(bob)
    browser.post(
        url(germans), form_data(("country", "is", "DE"), description="For spring", version="1")
    )
    germans.refresh_from_db()
    assert germans.description == "For spring"
    assert "For spring" in browser.get(url(germans)).content.decode()
    changes = Activity.objects.get(app_group=acme, verb="changed").changes
    assert [(change["before"], change["after"]) for change in changes] == [("", "For spring")]


def test_a_segment_is_removed_once(germans, alice):
    stale = Segment.objects.get(pk=germans.pk)
    edit.remove(germans, by=alice)
    edit.remove(stale, by=alice)
    assert Activity.objects.filter(verb="removed").count() == 1
