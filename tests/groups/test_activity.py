"""The activity log: filters, pages, time zone, and access for every member."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiencesync.groups.models import Activity

PATH = "/g/acme/activity/"


@pytest.fixture
def lines(acme, alice, bob):
    Activity.log(acme, alice, Activity.Verb.LAUNCHED, "Welcome back", kind="canvas")
    Activity.log(acme, bob, Activity.Verb.CREATED, "Winter <b>sale</b> 🎉", kind="canvas")


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
    assert "2 Jul 2026, 00:30 CEST" in page
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


@pytest.mark.parametrize("query", [{"until": "9999-12-31"}, {"since": "0001-01-01"}])
def test_a_day_beyond_the_calendar_is_refused(acme, lines, vera, signed_in, query):
    acme.time_zone = "Asia/Tokyo"
    acme.save()
    assert signed_in(vera).get(PATH, query).status_code == 422


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
        actor = bob if number % 2 else alice
        Activity.log(acme, actor, Activity.Verb.CHANGED, f"n{number}", kind="canvas")
    assert queries() == few


def test_lines_of_another_group_are_not_shown(lines, other_group, charlie, signed_in):
    Activity.log(other_group, charlie, Activity.Verb.LAUNCHED, "Raccoon", kind="canvas")
    assert subjects(signed_in(charlie).get("/g/umbrella/activity/")) == ["Raccoon"]


def test_a_line_says_from_where_to_admins_only(acme, alice, vera, signed_in):
    signed_in(alice).post("/g/acme/members/invite/", {"email": "new@example.org", "role": "viewer"})
    [line] = Activity.objects.filter(verb="invited")
    assert line.address == "127.0.0.1"
    assert "from 127.0.0.1" in signed_in(alice).get(PATH).content.decode()
    assert "127.0.0.1" not in signed_in(vera).get(PATH).content.decode()


def test_the_engine_has_no_address(acme):
    Activity.log(acme, None, Activity.Verb.STOPPED, "Winback", kind="canvas")
    assert Activity.objects.get().address is None


def test_the_log_is_filtered_by_kind_and_name(acme, alice, signed_in):
    for subject, kind in (("Winback", "canvas"), ("Winter", "canvas"), ("Winback", "segment")):
        Activity.log(acme, alice, Activity.Verb.CREATED, subject, kind=kind)
    client = signed_in(alice)
    answer = client.post(PATH, {"q": "WINB", "kind": "canvas"}, follow=True)
    assert subjects(answer) == ["Winback"]
    assert "WINB" not in answer.redirect_chain[0][0]


def test_days_are_those_of_the_group(acme, lines, vera, signed_in):
    acme.time_zone = "Europe/Berlin"
    acme.save()
    Activity.objects.update(at=datetime(2026, 7, 1, 22, 30, tzinfo=UTC))  # 2 July there
    client = signed_in(vera)

    def n(**days):
        return len(subjects(client.get(PATH, days)))

    assert (n(since="2026-07-02"), n(since="2026-07-03")) == (2, 0)
    assert (n(until="2026-07-02"), n(until="2026-07-01")) == (2, 0)


def test_a_search_does_not_tell_masked_addresses(acme, alice, vera, signed_in):
    Activity.log(acme, alice, Activity.Verb.INVITED, "new@example.org", kind="invitation")

    def found(user):
        return subjects(signed_in(user).post(PATH, {"q": "new@"}, follow=True))

    assert len(found(alice)) == 1
    assert found(vera) == []


def test_admins_download_what_the_filter_shows(lines, acme, alice, bob, signed_in):
    Activity.log(acme, alice, "changed", "=1+1", kind="canvas", changes=[("name", "a", "b")])
    client = signed_in(alice)

    answer = client.post(PATH, {"format": "csv", "verb": "changed"})

    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert len(text.splitlines()) == 2
    assert '"\'=1+1"' in text
    assert "name: a → b" in text
    assert "alice@example.org" in text or "Alice" in text
    assert signed_in(bob).post(PATH, {"format": "csv"}).status_code == 403
