"""The cast: alice (admin), bob (marketer), vera (viewer), charlie (admin of another group)."""

import time

import pytest
from django.core.cache import cache
from django.test import Client

from audiencesync.groups.models import AppGroup, Membership, Role, User

pytest_plugins = [
    "tests.support.import_pages",
    "tests.support.journeys",
    "tests.support.profiles",
    "tests.support.queue_world",
    "tests.support.rest_api",
    "tests.support.scrape",
]


def pytest_addoption(parser):
    parser.addoption(
        "--every-point",
        action="store_true",
        help="kill and freeze at every point, not once per epoch",
    )


DATABASE = {"db", "transactional_db", "django_db_reset_sequences", "databases"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """What does not touch the database of the run need not run on two; what starts processes gives them SQLite."""
    for item in items:
        is_marked = any(map(item.get_closest_marker, ("django_db", "machines", "each_database")))
        if not is_marked and DATABASE.isdisjoint(item.fixturenames):
            item.add_marker("no_database")


@pytest.fixture(autouse=True)
def _fresh_limits():
    """Nobody is locked out for what another test typed."""
    cache.clear()


@pytest.fixture
def acme(db):
    return AppGroup.objects.create(name="Acme", slug="acme")


@pytest.fixture
def other_group(db):
    return AppGroup.objects.create(name="Umbrella", slug="umbrella")


def _member(email, group, role):
    user = User.objects.create_user(email, "correct horse battery")
    Membership.objects.create(user=user, app_group=group, role=role)
    return user


@pytest.fixture
def alice(acme):
    return _member("alice@example.org", acme, Role.ADMIN)


@pytest.fixture
def bob(acme):
    return _member("bob@example.org", acme, Role.MARKETER)


@pytest.fixture
def vera(acme):
    return _member("vera@example.org", acme, Role.VIEWER)


@pytest.fixture
def charlie(other_group):
    return _member("charlie@example.org", other_group, Role.ADMIN)


@pytest.fixture
def signed_in():
    """signed_in(user) -> a test client with that user's session, whose password was typed just now."""

    def make(user, *, fresh=True):
        client = Client()
        client.force_login(user)
        if fresh:
            proved_just_now(client, user)
        return client

    return make


def proved_just_now(client, user):
    """The session has just been asked for the password."""
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
