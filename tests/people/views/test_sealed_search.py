"""The URL of a search for a person does not contain the typed text; its pages keep the search."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from audiencesync.people.views import profiles

URL = "/g/acme/people/profiles/"


@pytest.fixture
def people(acme):
    return Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=f"jane-{n}", email="jane@example.org") for n in range(5)
    )


def searched(client, text="jane@example.org"):
    """Send the form; return the address that the browser goes to."""
    answer = client.post(URL, {"q": text})
    assert answer.status_code == 302
    return answer["Location"]


def ids(answer):
    return [person.external_id for person in answer.context["people"]]


def test_the_address_holds_nothing_that_was_typed(people, bob, signed_in):
    client = signed_in(bob)
    address = searched(client)
    answer = client.get(address)

    assert "jane" not in address
    assert "example" not in address
    assert len(ids(answer)) == 5
    assert 'value="jane@example.org"' in answer.content.decode()


def test_the_pages_keep_the_search(people, make_profile, monkeypatch, bob, signed_in):
    make_profile(external_id="other", email="joe@example.org")
    monkeypatch.setattr(profiles, "PAGE", 3)
    client = signed_in(bob)
    address = searched(client)
    first = client.get(address)
    second = client.get(f"{address}&before={first.context['page'].older}")

    assert (len(ids(first)), len(ids(second))) == (3, 2)
    assert "search=v1." in first.content.decode()
    assert not set(ids(first)) & set(ids(second))


def test_only_the_same_user_opens_it(people, bob, alice, signed_in):
    answer = signed_in(alice).get(searched(signed_in(bob)))
    assert answer.status_code == 422
    assert "no longer valid" in answer.content.decode()
    assert "jane" not in answer.content.decode()


def test_an_address_of_yesterday_asks_to_search_again(people, bob, signed_in, time_machine):
    address = searched(signed_in(bob))
    time_machine.move_to(timezone.now() + timedelta(days=1))
    answer = signed_in(bob).get(address)
    assert answer.status_code == 422
    assert "no longer valid" in answer.content.decode()


@pytest.mark.parametrize("sealed", ["x", "v1.a.b.c", "%00", "ü"])
def test_a_forged_address_is_refused(people, bob, signed_in, sealed):
    assert signed_in(bob).get(f"{URL}?search={sealed}").status_code == 422


def test_an_empty_search_leads_to_everybody(people, bob, signed_in):
    assert searched(signed_in(bob), "") == URL
