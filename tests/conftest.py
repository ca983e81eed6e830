"""Fixtures: alice (admin), bob (marketer), vera (viewer), charlie (admin of another group)."""

import gc
import shutil
import time
from datetime import timedelta

import hypothesis
import pytest
from _pytest import runner
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.utils import timezone, translation

from audiencesync.groups.models import AppGroup, Membership, Role, User
from tests.support import migrated
from tests.support.call_stack import with_large_stack

pytest_plugins = [
    "tests.support.import_pages",
    "tests.support.canvas_world",
    "tests.support.brake_world",
    "tests.support.live_segments",
    "tests.support.profiles",
    "tests.support.queue_world",
    "tests.support.rest_api",
    "tests.support.scrape",
    "tests.support.time_limits",
]


# No example of a property test fails because the machine is busy, and each run draws the same ones:
# a change breaks a test, not chance. `pytest --hypothesis-profile=searching` draws others.
PATIENT = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("searching", **PATIENT)
hypothesis.settings.register_profile("patient", **PATIENT, derandomize=True)
hypothesis.settings.load_profile("patient")


def pytest_addoption(parser):
    parser.addoption(
        "--every-point",
        action="store_true",
        help="kill and freeze at every point, not once per epoch",
    )


DATABASE = {"db", "transactional_db", "django_db_reset_sequences", "databases"}
EACH = ("django_db", "machines", "each_database")
# Folders of tests that `make test` runs on PostgreSQL alone, the stricter database
# (docs/decisions/0015): their statements are Django's, which differ little between the two.
STRICT = (
    "canvases/api",
    "canvases/audiences",
    "canvases/privacy",
    "canvases/rehearsal",
    "canvases/steps",
    "canvases/views",
    "groups",
    "partners/audiences",
    "partners/connections",
    "partners/fake",
    "partners/incidents",
    "partners/notices",
    "partners/views",
    "people/privacy",
    "people/views",
    "system/canary",
    "system/faults",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    folders = tuple(f"{config.rootpath}/tests/{folder}/" for folder in STRICT)
    for item in items:
        if _runs_once(item):
            item.add_marker("once")
        elif str(item.path).startswith(folders) and not item.get_closest_marker("each_database"):
            item.add_marker("on_postgresql")
        if _shares_a_module_fixture(item):
            item.add_marker(pytest.mark.xdist_group(item.module.__name__))
    if hasattr(config, "workerinput"):
        items[:] = _interleaved(items)


def _runs_once(item):
    """Return whether a test touches no database: `make test` runs it on one database only.

    Tests that start processes without a fixture of this list give them SQLite.
    """
    is_marked = any(map(item.get_closest_marker, EACH))
    return not is_marked and DATABASE.isdisjoint(item.fixturenames)


def _shares_a_module_fixture(item):
    """Return whether a worker of its own would set up the fixture of the module once more."""
    fixture_defs = item._fixtureinfo.name2fixturedefs.values()
    return any(definitions[-1].scope == "module" for definitions in fixture_defs)


def _interleaved(items):
    """Spread the slow tests, which mostly wait, among the others, which mostly compute.

    The last ones are quick: nothing computes beside a slow test at the end.
    """
    places = {}
    for is_slow, share in ((False, 1.0), (True, 0.8)):
        kind = [item for item in items if bool(item.get_closest_marker("slow")) == is_slow]
        places |= {item: share * place / len(kind) for place, item in enumerate(kind)}
    return sorted(items, key=places.__getitem__)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Run a test as pytest does, without the cost of its deep stack: a fifth of the CPU time."""
    return with_large_stack(runner.pytest_runtest_protocol, item, nextitem)


def pytest_report_collectionfinish(items):
    n_once, n_strict = (
        sum(item.get_closest_marker(name) is not None for item in items)
        for name in ("once", "on_postgresql")
    )
    return (
        f"of {len(items)} tests, either database suffices for {n_once}, PostgreSQL for {n_strict}"
    )


def pytest_collection_finish(session):
    if getattr(session.config.option, "loadgroup", False):
        groups = [item for item in session.items if item.get_closest_marker("xdist_group")]
        assert all("@" in item.nodeid for item in groups), "pytest-xdist does not group the tests"
    # The collected tests live as long as the run: garbage collection need not visit them again.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """Start with a copy of a migrated database; Django finds all migrations applied."""
    name, values = migrated.template(), connections["default"].settings_dict["TEST"]
    if connections["default"].vendor == "sqlite":
        shutil.copyfile(name, values["NAME"])
    else:
        values["TEMPLATE"] = name


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb):
    """Keep the copied file; its folder is removed at the end of the process."""
    return django_db_keepdb or connections["default"].vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Let PostgreSQL vacuum no table of the tests' own database; others need their statistics.

    Tests fill tables and roll back. A vacuum amid one finds pages without a committed row, and
    until the next one the planner takes the tables for empty.
    """
    if connections["default"].vendor == "postgresql":
        with django_db_blocker.unblock(), connections["default"].cursor() as cursor:
            for table in connections["default"].introspection.table_names(cursor):
                cursor.execute(f'ALTER TABLE "{table}" SET (autovacuum_enabled = off)')


@pytest.fixture(autouse=True)
def _fresh_limits():
    """Clear the rate limits, so that no test is locked out by another one."""
    cache.clear()


@pytest.fixture(autouse=True)
def _fresh_language_and_time_zone():
    """Reset both: a test must not depend on the last request of the test before it."""
    translation.deactivate()
    timezone.deactivate()


@pytest.fixture
def amid_an_hour(time_machine):
    """Move on to half past: no hour, day or window of a limit begins within the test."""
    now = timezone.now()
    time_machine.move_to(now + timedelta(minutes=(30 - now.minute) % 60))


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
    """Return signed_in(user) -> a test client; with ``fresh``, the password was typed just now."""

    def sign_in(user, *, fresh=True):
        client = Client()
        client.force_login(user)
        if fresh:
            proved_just_now(client, user)
        return client

    return sign_in


def proved_just_now(client, user):
    """Mark the password of the session as typed just now."""
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
