"""Who may read the tables, and what an operator may change."""

import pytest
from django.test import Client
from django.urls import get_resolver, reverse

from audiencesync.groups.models import Activity, User
from tests.site import addresses

pytestmark = pytest.mark.django_db
INDEX = "/staff/tables/"
ROUTES = [
    route
    for route, _entry in addresses.walk(get_resolver())
    if route.startswith(INDEX.strip("/")) and "<" not in route and "^" not in route
]


@pytest.fixture
def staff(signed_in, charlie):
    charlie.is_staff = True
    charlie.save()
    return signed_in(charlie)


def switch(client, user, **flags):
    return client.post(reverse("admin:groups_user_change", args=[user.pk]), flags)


def test_only_staff_open_the_tables(staff, signed_in, alice, bob):
    assert staff.get(INDEX).status_code == 200
    assert signed_in(alice).get(INDEX).status_code == 403  # admin of a group
    assert signed_in(bob).get(INDEX).status_code == 403
    assert Client().get(INDEX)["Location"].startswith("/accounts/login/")


@pytest.mark.once
def test_no_route_is_open_to_others(signed_in, alice):
    client, sign_in = signed_in(alice), {f"{INDEX}login/", f"{INDEX}logout/"}
    assert len(ROUTES) > 100
    for route in ROUTES:
        if f"/{route}" not in sign_in:
            assert client.get(f"/{route}").status_code == 403, route


def test_the_sign_in_of_the_admin_is_ours(staff):
    assert Client().get(f"{INDEX}login/")["Location"] == "/accounts/login/"
    assert Client().post(f"{INDEX}login/", {"username": "x"})["Location"] == "/accounts/login/"


def test_a_required_second_factor_is_asked_for(staff, settings):
    settings.STAFF_REQUIRE_SECOND_FACTOR = True
    assert staff.get(INDEX)["Location"] == reverse("mfa_index")


def test_a_user_is_switched_off_and_the_groups_log_it(staff, bob, charlie, acme):
    assert switch(staff, bob, is_staff="on").status_code == 302

    bob.refresh_from_db()
    assert (bob.is_active, bob.is_staff) == (False, True)
    line = Activity.objects.get(app_group=acme, kind="member")
    assert (line.actor, line.verb) == (charlie, "changed")
    assert [change.before for change in line.shown_changes] == ["yes", "no"]


def test_the_switches_are_named_in_the_language_of_the_reader(staff, bob):
    url = reverse("admin:groups_user_change", args=[bob.pk])
    page = staff.get(url, headers={"Accept-Language": "de"}).content.decode()

    assert page.count('type="checkbox"') == 2
    assert "Darf sich anmelden" in page


def test_other_columns_of_a_user_stay(staff, bob):
    switch(staff, bob, is_active="on", is_superuser="on", email="x@example.org", name="x")

    stored = User.objects.get(pk=bob.pk)
    assert (stored.is_superuser, stored.email, stored.name) == (False, bob.email, bob.name)


def test_the_own_row_cannot_be_changed(staff, charlie):
    assert switch(staff, charlie).status_code == 403
    assert User.objects.get(pk=charlie.pk).is_active


def test_a_change_needs_a_recent_password(signed_in, charlie, bob, staff):
    answer = switch(signed_in(charlie, fresh=False), bob)

    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert User.objects.get(pk=bob.pk).is_active
