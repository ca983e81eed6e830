"""Pages of a group: other groups get 404, visitors sign in, GET writes nothing, POST needs CSRF."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from tests.site import addresses

# Only the walk of an admin runs on both databases: the other walks prove what is decided before
# a page's own queries.
ROUTES = addresses.of_groups()
WRITES = re.compile(r'^(INSERT|UPDATE|DELETE)\b(?!.*"django_session")', re.IGNORECASE)


def test_there_are_routes():
    assert len(ROUTES) > 10


@pytest.mark.once
@pytest.mark.parametrize("route", ROUTES)
def test_a_member_of_another_group_gets_404(route, things, charlie, signed_in):
    client, path = signed_in(charlie), addresses.path(route, things)
    answers = {client.get(path).status_code, client.post(path).status_code}
    assert 404 in answers
    assert answers <= {404, 405}


@pytest.mark.parametrize("route", ROUTES)
def test_an_admin_has_access(route, things, admin):
    # Proves that the 404 of other groups is not that of a missing page.
    path = addresses.path(route, things)
    get = admin.get(path)
    answer = admin.post(path) if get.status_code == 405 else get
    assert answer.status_code in {200, 204, 302, 303, 409, 410, 422}


@pytest.mark.once
@pytest.mark.parametrize("route", ROUTES)
def test_a_visitor_is_redirected_to_sign_in(route, things):
    client, path = Client(), addresses.path(route, things)
    for answer in (client.get(path), client.post(path)):
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/")


# Reading personal data writes a line of the activity log, and nothing else.
LOGGED_ROUTES = [
    "g/<slug:group>/people/profiles/",
    "g/<slug:group>/people/profiles/<int:profile_id>/",
    "g/<slug:group>/people/segments/<int:segment_id>/",
]
LOG_LINE = re.compile(r"INSERT INTO \"groups_activity\" .*'viewed'")


@pytest.mark.once
@pytest.mark.parametrize("route", ROUTES)
def test_a_get_writes_nothing(route, things, admin):
    path = addresses.path(route, things)
    with CaptureQueriesContext(connection) as queries:
        admin.get(path)
    writes = [query["sql"] for query in queries if WRITES.match(query["sql"])]
    assert [sql for sql in writes if not (route in LOGGED_ROUTES and LOG_LINE.match(sql))] == []


@pytest.mark.once
@pytest.mark.parametrize("route", ROUTES)
def test_a_post_without_a_csrf_token_is_refused(route, things, alice):
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    assert client.post(addresses.path(route, things)).status_code in {403, 405}


@pytest.mark.once
@pytest.mark.parametrize("route", [route for route in ROUTES if "<int:" in route])
def test_objects_of_another_group_are_404_in_the_own_group(route, things, charlie, signed_in):
    # Charlie puts his own group into the URL of alice's objects.
    client, path = signed_in(charlie), addresses.path(route, things | {"group": "umbrella"})
    answers = {client.get(path).status_code, client.post(path).status_code}
    assert 404 in answers
    assert answers <= {404, 405}


@pytest.mark.once
@pytest.mark.parametrize("route", ROUTES)
def test_every_get_page_answers_head(route, things, admin):
    path = addresses.path(route, things)
    get = admin.get(path)
    if get.status_code != 405:
        assert admin.head(path).status_code == get.status_code


# The tables under staff/tables/ have a walk of their own: tests/groups/operators.
STAFF = ("analytics/", "staff/groups/")
STAFF_ROUTES = [
    route for route, _entry in addresses.walk(get_resolver()) if route.startswith(STAFF)
]


@pytest.mark.once
@pytest.mark.parametrize("route", STAFF_ROUTES)
def test_pages_of_staff_are_for_staff_alone(route, things, admin):
    # An admin of an app group is not staff.
    path = addresses.path(route, things | {"slug": things["group"]})
    answers = {admin.get(path).status_code, admin.post(path).status_code}
    assert 403 in answers
    assert answers <= {403, 405}
    for answer in (Client().get(path), Client().post(path)):
        assert answer.status_code == 405 or answer["Location"].startswith("/accounts/login/")
