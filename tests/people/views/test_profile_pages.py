"""The list of profiles and the page of one profile: roles, search and paging."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audiencesync.groups.models import Activity
from audiencesync.people.models import Profile

pytestmark = pytest.mark.thorough

URL = "/g/acme/people/profiles/"
RTL = "\u202eمحمد 👩‍👩‍👧<script>"


@pytest.fixture
def profile(make_profile):
    return make_profile(
        external_id="max@mail.example.de",
        email="Max@mail.example.de",
        phone="030 23125123",
        idfa="5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25",
        attributes={"first_name": "Max", "orders": 3, "vip": True},
    )


def page(client, url=URL, **params):
    answer = client.post(url, params, follow=True) if "q" in params else client.get(url, params)
    return answer, answer.content.decode()


def test_marketers_see_everything(profile, bob, signed_in):
    _answer, html = page(signed_in(bob))
    assert "Max@mail.example.de" in html
    assert "030 23125123" in html


def test_viewing_the_list_is_logged_once_an_hour(profile, bob, vera, signed_in):
    for user in (bob, vera, bob):
        page(signed_in(user))
        page(signed_in(user), q="nobody")
    (line,) = Activity.objects.all()
    assert (line.actor, line.verb, line.subject) == (bob, "viewed", "Profiles")


@pytest.mark.parametrize("is_detail", [False, True])
def test_viewers_see_no_personal_data(profile, vera, signed_in, is_detail):
    url = reverse("profile", args=["acme", profile.pk]) if is_detail else URL
    _answer, html = page(signed_in(vera), url)
    for secret in ("Max@", "max@", "23125", "9c4d", ">Max<"):
        assert secret not in html
    assert "m***@m***.de" in html
    assert "***23" in html


@pytest.mark.parametrize("part", ["max@mail", "Max@mail.example", "m", "23125", "***"])
def test_viewers_find_no_person_by_parts(profile, vera, bob, signed_in, part):
    assert "m***@m***.de" not in page(signed_in(vera), q=part)[1]
    is_found = "Max@mail.example.de" in page(signed_in(bob), q=part)[1]
    assert is_found is part.lower().startswith("m")


def test_viewers_find_a_person_by_a_whole_address(profile, vera, signed_in):
    assert "m***@m***.de" in page(signed_in(vera), q="Max@mail.example.de")[1]


@pytest.mark.parametrize("q", ["person-1", "+49 30 23125123", "030/23125-123", "JANE@example.com "])
def test_search_finds_one_person(make_profile, bob, signed_in, q):
    make_profile(external_id="person-1", email="jane@example.com", phone="030 23125123")
    make_profile(external_id="other", email="joe@example.com")
    _answer, html = page(signed_in(bob), q=q)
    assert "person-1" in html
    assert "joe@" not in html


@pytest.mark.parametrize("q", ["nobody", "a__b", RTL, "' OR 1=1 --", "%", "9" * 320])
def test_a_search_without_a_match_shows_a_message(profile, bob, signed_in, q):
    answer, html = page(signed_in(bob), q=q)
    assert (answer.status_code, "No one matches." in html, '<script>"' in html) == (
        200,
        True,
        False,
    )


@pytest.mark.parametrize("q", ["\x00", "a" * 10_000])
def test_an_invalid_search_is_refused_with_a_message(profile, bob, signed_in, q):
    answer, html = page(signed_in(bob), q=q)
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in html


@pytest.mark.parametrize("place", ["-1", "x", "9" * 19, "9" * 44, "١", "", "1e9", "\x00"])
def test_an_invalid_page_position_is_ignored(profile, bob, signed_in, place):
    for name in ("before", "after"):
        assert page(signed_in(bob), **{name: place})[0].status_code == 200


def test_pages_lead_forward_and_back(acme, bob, signed_in):
    Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=f"p-{i:03}") for i in range(120)
    )
    client, seen, params = signed_in(bob), [], {}
    for _ in range(3):
        context = client.get(URL, params).context
        seen += [person.external_id for person in context["people"]]
        params = {"before": context["page"].older}
    assert seen == [f"p-{i:03}" for i in reversed(range(120))]
    assert context["page"].older == ""
    back = client.get(URL, {"after": context["page"].newer}).context
    assert [person.external_id for person in back["people"]] == seen[50:100]
    first = client.get(URL, {"after": back["page"].newer}).context
    assert ([person.external_id for person in first["people"]], first["page"].newer) == (
        seen[:50],
        "",
    )


def test_the_number_of_queries_does_not_grow_with_the_people(
    make_profile, bob, signed_in, django_assert_num_queries
):
    client = signed_in(bob)
    make_profile()
    client.get(URL)  # logs the view
    with CaptureQueriesContext(connection) as one:
        client.get(URL)
    for _ in range(20):
        make_profile(email="jane@example.com")
    with django_assert_num_queries(len(one)):
        client.get(URL)


def test_large_ids_give_working_links(acme, bob, signed_in):
    Profile.objects.create(pk=1_234_567, app_group=acme, external_id="big")
    _answer, html = page(signed_in(bob))
    assert "/g/acme/people/profiles/1234567/" in html


def test_the_profile_shows_which_identifiers_can_be_sent(make_profile, bob, signed_in):
    profile = make_profile(
        email="not one", phone="+493023125123", idfa="00000000-0000-0000-0000-000000000000"
    )
    _answer, html = page(signed_in(bob), reverse("profile", args=["acme", profile.pk]))
    for words in ("not a valid e-mail address", "Can be sent", "all zeros", "None known"):
        assert words in html


@pytest.mark.parametrize(
    "attributes",
    [{}, [], "text", 5, {RTL: RTL, "deep": {"a": [None, {"b": 1}]}, "long": "x" * 10_000}],
)
def test_any_attributes_can_be_shown(make_profile, bob, vera, signed_in, attributes):
    profile = make_profile(external_id=RTL, attributes=attributes)
    for user in (bob, vera):
        answer, html = page(signed_in(user), reverse("profile", args=["acme", profile.pk]))
        assert answer.status_code == 200
        assert "👧<script>" not in html


def test_an_unknown_profile_is_not_found(profile, bob, signed_in):
    for pk in (profile.pk + 1, 10**18, 10**30):
        assert signed_in(bob).get(f"{URL}{pk}/").status_code == 404


def test_an_empty_list_shows_a_message(bob, signed_in):
    assert "There are no people yet." in page(signed_in(bob))[1]
