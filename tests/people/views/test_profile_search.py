"""Search profiles by a whole alias or by our own id."""

import pytest
from django.urls import reverse

from audiencesync.people.models import Profile, UserAlias

pytestmark = pytest.mark.thorough


def found(client, q):
    """Return the external ids in the list."""
    page = client.post(reverse("profiles", args=["acme"]), {"q": q}, follow=True)
    return [person.external_id for person in page.context["people"]]


@pytest.fixture
def with_alias(make_profile):
    one = make_profile(external_id="person-1")
    UserAlias.objects.create(app_group=one.app_group, profile=one, label="crm", name="A-77")
    UserAlias.objects.create(app_group=one.app_group, profile=one, label="shop", name="A-77")
    make_profile(external_id="other")
    return one


def test_a_whole_alias_or_our_id_finds_its_profile(with_alias, bob, vera, signed_in):
    for user in (bob, vera):
        for q in ("A-77", with_alias.braze_id, with_alias.braze_id.upper()):
            assert found(signed_in(user), q) == ["person-1"]


@pytest.mark.parametrize("q", ["A-7", "a-77", "0" * 24, "f" * 24])
def test_a_part_of_an_alias_finds_no_profile(with_alias, bob, signed_in, q):
    assert found(signed_in(bob), q) == []


def test_an_alias_or_id_of_another_group_finds_no_profile(with_alias, other_group, bob, signed_in):
    eve = Profile.objects.create(app_group=other_group, external_id="eve")
    UserAlias.objects.create(app_group=other_group, profile=eve, label="crm", name="E-1")
    for q in ("E-1", eve.braze_id):
        assert found(signed_in(bob), q) == []
