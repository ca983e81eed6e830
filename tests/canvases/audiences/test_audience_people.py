"""The people who, by our deliveries, are in an audience: list, search, file."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audiencesync.people.models import Profile
from canvases.audiences import numbers
from canvases.people_lists import page
from partners.audiences import sent
from partners.models import Action, Batch, Delivery, MemberCount, Outcome
from tests.support import builder, endless

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
ADDED, REMOVED = datetime(2031, 5, 6, 10, 7, tzinfo=UTC), datetime(2031, 5, 7, tzinfo=UTC)


@pytest.fixture
def members(people, winback):
    """Five people were added, the first two removed again; return the other three."""
    sendable = [person.pk for person in people if person.email][:5]
    for action, ids, at in ((Action.ADD, sendable, ADDED), (Action.REMOVE, sendable[:2], REMOVED)):
        builder.enter(builder.make_sync(winback, action=action), Profile.objects.filter(pk__in=ids))
        Batch.objects.pending().update(state=Outcome.SYNCED, settled_at=at)
    return list(Profile.objects.filter(pk__in=sendable[2:]).order_by("-pk"))


@pytest.fixture
def url(winback):
    return reverse("audience_people", args=["acme", winback.pk])


def test_members_are_listed_with_the_time_of_their_addition(bob_editor, members, url):
    answer = bob_editor.client.get(url)

    assert answer.context["number"].n == 3
    lines = [(line.profile, line.at) for line, _person in answer.context["people"]]
    assert lines == [(member, ADDED) for member in members]


@pytest.mark.parametrize("few", [0, 8], ids=["all of the group", "those sent"])
def test_members_of_a_small_audience_are_found_by_delivery(
    few, bob_editor, members, url, monkeypatch
):
    monkeypatch.setattr(sent, "MAX_LISTED", few)  # seven were sent: five adds, two removals
    with CaptureQueriesContext(connection) as queries:
        lines = bob_editor.client.get(url).context["people"]

    assert [line.profile for line, _person in lines] == members
    by_delivery = re.compile(
        rf'"id" IN \(SELECT \w+\."profile_id" AS "profile" FROM "{Delivery._meta.db_table}"'
    )
    assert any(by_delivery.search(one["sql"]) for one in queries) is bool(few)


def test_if_counting_takes_too_long_the_page_says_how_many_at_most(
    bob_editor, members, url, monkeypatch
):
    monkeypatch.setattr(numbers, "count_members", lambda found, **limits: None)
    text = " ".join(bob_editor.client.get(url.removesuffix("people/")).content.decode().split())

    assert "Too many people to count here: at most 5 are in it by what we sent." in text


def test_if_counting_takes_too_long_the_count_of_the_day_is_shown_with_its_time(
    bob_editor, members, url, winback, monkeypatch
):
    MemberCount.objects.create(audience=winback, n=1_234_567, counted_at=ADDED)
    monkeypatch.setattr(numbers, "count_members", lambda found, **limits: None)
    page, listed = (
        " ".join(re.sub(r"<[^>]+>", " ", bob_editor.client.get(path).content.decode()).split())
        for path in (url.removesuffix("people/"), url)
    )

    counted = "as counted at 6 May 2031, 10:07 UTC"
    assert f"1,234,567 people are in it by what we sent · {counted}" in page
    assert "at most" not in page
    assert f"1,234,567 people, {counted}" in listed


def test_what_was_sent_is_summed_once(bob_editor, members, url):
    with CaptureQueriesContext(connection) as queries:
        bob_editor.client.get(url)
    sums = [one for one in queries if f'SUM("{Batch._meta.db_table}"."n")' in one["sql"]]
    assert len(sums) == 1


def test_a_search_finds_a_member_only(bob_editor, members, url, people):
    removed = next(one for one in people if one.email and one not in members)
    for person, n in ((members[0], 1), (removed, 0)):
        answer = bob_editor.client.post(url, {"q": person.email}, follow=True)
        assert len(answer.context["people"]) == n


def test_the_file_has_the_members(bob_editor, members, url):
    answer = bob_editor.client.post(f"{url}export/")

    rows = b"".join(answer.streaming_content).decode().strip().splitlines()
    assert len(rows) == 4
    assert all("2031-05-06T10:07" in row for row in rows[1:])


def test_a_viewer_sees_masked_members_and_gets_no_file(editor_of, vera, members, url):
    veras = editor_of(vera).client

    assert members[0].email not in veras.get(url).content.decode()
    assert veras.post(f"{url}export/").status_code == 403


@pytest.mark.parametrize("query", ["?number=synced", "?reason=x", "?number=%00"])
def test_an_unknown_number_is_not_found(bob_editor, members, url, query):
    assert bob_editor.client.get(url + query).status_code == 404


@pytest.mark.parametrize("query", ["?before=x", "?after=9-9", "?last=1&before=0-1-2-3"])
def test_an_odd_place_shows_a_page(bob_editor, members, url, query):
    assert bob_editor.client.get(url + query).status_code == 200


def test_a_list_that_takes_too_long_says_so(bob_editor, members, url, monkeypatch):
    monkeypatch.setattr(page.lists, "requested_page", endless.run)
    monkeypatch.setattr(page, "READ_SECONDS", 0.2)

    text = bob_editor.client.get(url).content.decode()

    assert "Reading the list took too long" in text
    assert f"{url}export/" in text
