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


# Property tests have no deadline, which a busy machine would miss, and draw the same examples in
# each run, so that no test fails by chance. `--hypothesis-profile=searching` draws others.
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
EACH = ("django_db", "machines", "each_database")  # markers of tests that need a database
# `make test` runs these folders on PostgreSQL only, the stricter database (docs/decisions/0015):
# all their SQL comes from Django, so it differs little between the two.
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
    """Return whether a test needs no database; `make test` runs it once, not on each database.

    Tests that start processes, but use none of these fixtures, count too: the processes use SQLite.
    """
    is_marked = any(map(item.get_closest_marker, EACH))
    return not is_marked and DATABASE.isdisjoint(item.fixturenames)


def _shares_a_module_fixture(item):
    """Return whether a test uses a fixture of its module, which each worker would set up again."""
    fixture_defs = item._fixtureinfo.name2fixturedefs.values()
    return any(definitions[-1].scope == "module" for definitions in fixture_defs)


def _interleaved(items):
    """Spread the slow tests, which mostly wait, among the quick ones, which mostly compute.

    The last fifth are quick tests only, so that no worker waits alone for a slow test at the end.
    """
    places = {}
    for is_slow, share in ((False, 1.0), (True, 0.8)):
        kind = [item for item in items if bool(item.get_closest_marker("slow")) == is_slow]
        places |= {item: share * place / len(kind) for place, item in enumerate(kind)}
    return sorted(items, key=places.__getitem__)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """Run a test as pytest does, but with a large stack: this saves a fifth of the CPU time."""
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
    # The collected tests live until the end: the garbage collector need not visit them again.
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """Start with a copy of a migrated database, so that Django has no migration to apply."""
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
    """Switch autovacuum off in the tests' database, but not in others, which need statistics.

    Tests fill tables and roll back. A vacuum during a test finds no committed row, and the planner
    would take the tables for empty until the next vacuum.
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
    """Move the clock to half past: no hour, day or window of a limit begins during the test."""
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
    """signed_in(user) -> a test client. ``fresh``: pages that ask for the password again do not."""

    def sign_in(user, *, fresh=True):
        client = Client()
        client.force_login(user)
        if fresh:
            mark_reauthenticated(client, user)
        return client

    return sign_in


def mark_reauthenticated(client, user):
    """Store in the session that the user has typed the password now."""
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time(), "reauthenticated": True}
    ]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
