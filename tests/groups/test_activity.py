"""The activity log: filters, pages, time zone, and access for every member."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiencesync.groups.models import Activity

PATH = "/g/acme/activity/"


@pytest.fixture
def lines(acme, alice, bob):
    Activity.log(acme, alice, Activity.Verb.LAUNCHED, "Welcome back")
    Activity.log(acme, bob, Activity.Verb.CREATED, "Winter <b>sale</b> 🎉")


def subjects(page):
    return [line.subject for line in page.context["page"]]


def test_a_viewer_sees_the_log(lines, vera, signed_in):
    page = signed_in(vera).get(PATH)
    assert subjects(page) == ["Winter <b>sale</b> 🎉", "Welcome back"]
    assert "Winter &lt;b&gt;sale&lt;/b&gt; 🎉" in page.content.decode()


def test_times_are_shown_in_the_zone_of_the_group(acme, lines, vera, signed_in):
    acme.time_zone = "Europe/Berlin"
    acme.save()
    Activity.objects.update(at=datetime(2026, 7, 1, 22, 30, tzinfo=UTC))
    page = signed_in(vera).get(PATH).content.decode()
    assert "July 2, 2026, 12:30 a.m. CEST" in page
    assert 'datetime="2026-07-01T22:30:00+00:00"' in page


def test_the_log_is_filtered_by_verb(lines, vera, signed_in):
    assert subjects(signed_in(vera).get(PATH, {"verb": "launched"})) == ["Welcome back"]


def test_the_log_is_filtered_by_person(lines, bob, vera, signed_in):
    assert subjects(signed_in(vera).get(PATH, {"person": bob.pk})) == ["Winter <b>sale</b> 🎉"]


def test_a_former_member_can_still_be_chosen(lines, bob, vera, signed_in):
    bob.memberships.all().delete()
    assert subjects(signed_in(vera).get(PATH, {"person": bob.pk})) == ["Winter <b>sale</b> 🎉"]


def test_the_lines_of_a_deleted_user_remain(lines, bob, vera, signed_in):
    bob.delete()
    page = signed_in(vera).get(PATH)
    assert len(subjects(page)) == 2
    assert "the system" in page.content.decode()


@pytest.mark.parametrize(
    "query", [{"verb": "eaten"}, {"person": "x"}, {"person": "99999999999999999999"}]
)
def test_an_invalid_filter_is_refused_with_a_message(lines, vera, signed_in, query):
    page = signed_in(vera).get(PATH, query)
    assert page.status_code == 422
    assert "Select a valid choice" in page.content.decode()


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 30])
def test_an_invalid_page_number_is_accepted(lines, vera, signed_in, page):
    assert signed_in(vera).get(PATH, {"page": page}).status_code == 200


def test_page_links_keep_the_filter_and_plain_numbers(acme, alice, signed_in):
    Activity.objects.bulk_create(
        Activity(app_group=acme, actor=alice, verb="created", subject=f"n{n}") for n in range(120)
    )
    page = signed_in(alice).get(PATH, {"verb": "created", "page": 2}).content.decode()
    assert "?verb=created&amp;page=3" in page
    assert "?verb=created&amp;page=1" in page


def test_an_empty_log_shows_a_message(acme, vera, signed_in):
    assert "Nothing has happened" in signed_in(vera).get(PATH).content.decode()


def test_the_page_needs_no_more_queries_for_more_lines(acme, alice, bob, lines, signed_in):
    client = signed_in(alice)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get(PATH)
        return len(captured)

    few = queries()
    for number in range(20):
        Activity.log(acme, bob if number % 2 else alice, Activity.Verb.CHANGED, f"n{number}")
    assert queries() == few


def test_lines_of_another_group_are_not_shown(lines, other_group, charlie, signed_in):
    Activity.log(other_group, charlie, Activity.Verb.LAUNCHED, "Raccoon")
    assert subjects(signed_in(charlie).get("/g/umbrella/activity/")) == ["Raccoon"]
