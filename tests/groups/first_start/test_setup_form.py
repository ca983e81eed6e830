"""Validate the setup form; two simultaneous submissions create one account."""

from functools import partial

import pytest
from django.test import Client
from django.utils import timezone

from audiencesync.groups.first_start import setup_link
from audiencesync.groups.models import AppGroup, SetupLink, User
from tests.groups.first_start.test_setup import FORM, link, path_of
from tests.support.threads import Threads

pytestmark = pytest.mark.thorough

__all__ = ["link"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", ""),
        ("email", "no address"),
        ("password", "short"),
        ("password", "password1234"),
        ("password", "olga@example.org"),
        ("name", ""),
        ("name", " \u3000 "),
        ("slug", "no/slashes"),
        ("slug", "\0"),
        ("time_zone", ""),
        ("time_zone", "Mars/Base"),
        ("phone_region", ""),
        ("phone_region", "ZZ"),
        ("language", "xx"),
        ("person", "\0"),
    ],
)
def test_an_invalid_field_is_reported_and_nothing_created(link, field, value):
    answer = Client().post(link, FORM | {field: value})
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    assert not User.objects.exists()
    assert SetupLink.objects.exists()


def test_a_name_without_latin_letters_requires_a_slug(link):
    answer = Client().post(link, FORM | {"name": "مرحبا"})
    assert list(answer.context["form"].errors) == ["slug"]
    assert Client().post(link, FORM | {"name": "مرحبا", "slug": "Hello"})["Location"] == "/g/hello/"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("printed_by", [("web", "web"), ("web", "engine")])
def test_two_simultaneous_submissions_create_one_account(printed_by):
    links = [path_of(setup_link.issue_link(one, now=timezone.now())) for one in printed_by]
    if printed_by[0] == printed_by[1]:
        links[0] = links[1]

    codes, threads = [], Threads()

    def submit(number):
        form = FORM | {"email": f"one{number}@example.org", "slug": f"group-{number}"}
        codes.append(Client().post(links[number], form).status_code)

    for number in (0, 1):
        threads.start(partial(submit, number))
    assert threads.join() == []
    assert sorted(codes) == [302, 410]
    assert (User.objects.count(), AppGroup.objects.count(), SetupLink.objects.count()) == (1, 1, 0)
