"""Search profiles by name and by a part of an address; viewers, who could guess, may not."""

import pytest
from django.core.cache import cache
from django.urls import reverse

from audiencesync.people.models import Profile


@pytest.fixture
def koehler(acme, make_profile):
    cache.clear()
    person = make_profile(
        external_id="k-1",
        email="anna.koehler@example.org",
        attributes={"first_name": "Anna", "Nachname": "Köhler"},
    )
    make_profile(
        external_id="o-1", email="other@example.net", attributes={"name": "Otto", "note": "Köhler"}
    )
    return person


def shown(client, q):
    context = client.post(reverse("profiles", args=["acme"]), {"q": q}, follow=True).context
    return [(person.external_id, person.name) for person in context["people"]]


@pytest.mark.parametrize(
    "q", ["Köhler", "KÖHLER", "ko\u0308hl", "anna", "Anna Köhler", "köhler anna", "koehler@exam"]
)
def test_a_marketer_finds_people_by_name_or_part_of_an_address(koehler, bob, signed_in, q):
    assert shown(signed_in(bob), q) == [("k-1", "Anna Köhler")]


@pytest.mark.parametrize("q", ["Anna Otto", "Kehler", "x", "k e"])
def test_all_words_must_match_one_person(koehler, bob, signed_in, q):
    assert shown(signed_in(bob), q) == []


@pytest.mark.parametrize("q", ["Köhler", "anna", "koehler@exam"])
def test_a_viewer_finds_no_person_by_parts(koehler, vera, signed_in, q):
    assert shown(signed_in(vera), q) == []


def test_a_viewer_sees_a_masked_name(koehler, vera, signed_in):
    assert shown(signed_in(vera), "k-1") == [("k-1", "***")]


def test_the_list_shows_usable_identifiers(koehler, bob, signed_in):
    Profile.objects.exclude(pk=koehler.pk).delete()
    page = signed_in(bob).get(reverse("profiles", args=["acme"]))
    assert [person.usable for person in page.context["people"]] == ["E-mail"]
