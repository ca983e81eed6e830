"""F07, F08: the database is killed during requests, or locked by a process that is stopped."""

import os
import signal
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import requests
from django.db import connections, transaction

from canvases.models import Canvas
from scripts import postgres
from tests.support.stack import environment, manage
from tests.system.crash.databases import Sqlite
from tests.system.crash.postgres import Postgres
from tests.system.faults.live import crowd
from tests.system.faults.live.conftest import is_sqlite, make_site
from tests.system.faults.live.site import address

__all__ = ["is_sqlite", "make_site"]
pytestmark = [pytest.mark.slow, pytest.mark.each_database]
N_PEOPLE, ROUNDS = 5_000, 3


@pytest.fixture(scope="module")
def databases(tmp_path_factory, django_db_blocker):
    """Yield databases of a private server, so that a test may kill it."""
    values = connections.databases["default"]
    if values["ENGINE"].endswith("sqlite3"):
        databases = Sqlite(django_db_blocker.unblock, tmp_path_factory.mktemp("locked"))
        yield databases
        databases.drop(databases.base)
        return
    with postgres.server(postgres.WITHOUT_FSYNC) as url:
        server = urlsplit(url)
        ours = {
            "HOST": server.hostname,
            "PORT": str(server.port),
            "USER": server.username,
            "PASSWORD": "",
        }
        before = {name: values[name] for name in ours}
        values.update(ours)
        try:
            yield Postgres(django_db_blocker.unblock, tmp_path_factory.mktemp("killed"))
        finally:
            values.update(before)


@pytest.fixture(scope="module")
def prepared(databases, tmp_path_factory):
    """Return the name of a migrated database with the cache table."""
    name = databases.create(databases.base)
    manage(
        environment(tmp_path_factory.mktemp("prepared"), DATABASE_URL=address(name)),
        "createcachetable",
    )
    return name


def _hold_a_lock(send):
    """Stop this process inside a transaction that has written."""
    with transaction.atomic():
        Canvas.objects.update(description="half written")
        send({"point": "stopped with a lock"})
        os.kill(os.getpid(), signal.SIGSTOP)


@contextmanager
def _database_locked(site):
    """Keep a lock in the database, held by a stopped process."""
    holder = site.databases.child(site.name, _hold_a_lock)
    try:
        assert holder.wait() == "stopped"
        yield
        holder.go_on()
        assert holder.wait() == "ended"
    finally:
        holder.end()


class LockedDatabase:
    """The fault on SQLite: no other process can write for two seconds."""

    def __init__(self, site):
        self.site = site

    def strike(self):
        with _database_locked(self.site):
            time.sleep(2)


class KilledServer:
    """The fault on PostgreSQL: the server is killed and restarted."""

    def __init__(self, site):
        self.databases = site.databases
        self.data = self.databases.admin.execute("SHOW data_directory").fetchone()[0]

    def strike(self):
        control = [postgres.binary("pg_ctl"), "-D", self.data, "-w", "-l", f"{self.data}/../log"]
        postgres.as_postgres(*control, "-m", "immediate", "restart")
        self.databases.admin = self.databases._session("postgres")


def _is_ready(site):
    return requests.get(f"{site.url}/readyz", timeout=120).status_code == 200


def test_f07_a_database_that_fails_three_times_during_flushes_loses_no_people(make_site, is_sqlite):
    site = make_site(0, SYNC_LEASE="3", SYNC_REQUEST_DEADLINE="2")
    site.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=1.0)
    site.start("web", "engine")
    fault = LockedDatabase(site) if is_sqlite else KilledServer(site)
    for nth in range(ROUNDS):
        n_pushes = len(site.pushes())
        site.do(crowd.add_people, nth * N_PEOPLE, N_PEOPLE)
        site.do(crowd.launch)
        site.wait(lambda n=n_pushes: len(site.pushes()) > n, "no request was sent")
        fault.strike()
    assert site.await_rest() == {"entered": ROUNDS * N_PEOPLE, "synced": ROUNDS * N_PEOPLE}
    site.wait(lambda: _is_ready(site), "the web is not ready")
    assert site.processes["engine"].poll() is None
    site.check_at_rest()


def _create_canvas(site):
    """Create a canvas through the form; return the response."""
    browser = requests.Session()
    browser.cookies["sessionid"] = site.facts["session"]
    url = f"{site.url}/g/acme/canvases/new/"
    browser.get(url, timeout=60)
    form = {
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        "segment": site.facts["segment"],
        "name": "New",
    }
    return browser.post(url, form, allow_redirects=False, timeout=60)


def test_f08_a_stopped_process_with_an_open_transaction_does_no_harm(make_site, is_sqlite):
    site = make_site(N_PEOPLE)
    site.start("web")
    site.do(crowd.launch)
    with _database_locked(site):
        site.start("engine")
        # SQLite has one lock for all writers; PostgreSQL locks only the rows of the canvases.
        answer = _create_canvas(site)
        assert answer.status_code == (503 if is_sqlite else 302)
        assert ("The database is not ready" in answer.text) is is_sqlite
        assert site.do(crowd.broken_laws) == []
        assert site.do(crowd.counts) == {}
    assert site.await_rest() == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert _create_canvas(site).status_code == 302
    if is_sqlite:
        assert "database is locked" in site.whole_log("web")
    site.check_at_rest()
