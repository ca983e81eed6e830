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
from tests.system.faults.live.conftest import is_sqlite, site
from tests.system.faults.live.site import address

__all__ = ["is_sqlite", "site"]
pytestmark = [pytest.mark.slow, pytest.mark.each_database]
N, ROUNDS = 5_000, 3


@pytest.fixture(scope="module")
def databases(tmp_path_factory, django_db_blocker):
    """Yield databases of a private server, so that a test may kill it."""
    values = connections.databases["default"]
    if values["ENGINE"].endswith("sqlite3"):
        made = Sqlite(django_db_blocker.unblock, tmp_path_factory.mktemp("locked"))
        yield made
        made.drop(made.base)
        return
    with postgres.server(postgres.WITHOUT_FSYNC) as url:
        at = urlsplit(url)
        ours = {"HOST": at.hostname, "PORT": str(at.port), "USER": at.username, "PASSWORD": ""}
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
def _locked(one):
    """Keep a lock in the database, held by a stopped process."""
    holder = one.databases.child(one.name, _hold_a_lock)
    try:
        assert holder.wait() == "stopped"
        yield
        holder.go_on()
        assert holder.wait() == "ended"
    finally:
        holder.end()


class Locked:
    """The trouble of SQLite: no other process can write for two seconds."""

    def __init__(self, one):
        self.one = one

    def strike(self):
        with _locked(self.one):
            time.sleep(2)


class Killed:
    """The trouble of PostgreSQL: the server is killed and restarted."""

    def __init__(self, one):
        self.databases = one.databases
        self.data = self.databases.admin.execute("SHOW data_directory").fetchone()[0]

    def strike(self):
        control = [postgres.binary("pg_ctl"), "-D", self.data, "-w", "-l", f"{self.data}/../log"]
        postgres.as_postgres(*control, "-m", "immediate", "restart")
        self.databases.admin = self.databases._session("postgres")


def _is_ready(one):
    return requests.get(f"{one.url}/readyz", timeout=120).status_code == 200


def test_f07_a_database_that_fails_three_times_during_flushes_loses_no_people(site, is_sqlite):
    one = site(0, SYNC_LEASE="3", SYNC_REQUEST_DEADLINE="2")
    one.server.sandbox.faults.set("slow", endpoint="segment/mapping", seconds=1.0)
    one.start("web", "engine")
    trouble = Locked(one) if is_sqlite else Killed(one)
    for nth in range(ROUNDS):
        sent = len(one.pushes())
        one.do(crowd.add_people, nth * N, N)
        one.do(crowd.launch)
        one.wait(lambda sent=sent: len(one.pushes()) > sent, "no request was sent")
        trouble.strike()
    assert one.rest() == {"entered": ROUNDS * N, "synced": ROUNDS * N}
    one.wait(lambda: _is_ready(one), "the web is not ready")
    assert one.processes["engine"].poll() is None
    one.check_at_rest()


def _new_canvas(one):
    """Create a canvas through the form; return the response."""
    browser = requests.Session()
    browser.cookies["sessionid"] = one.facts["session"]
    url = f"{one.url}/g/acme/canvases/new/"
    browser.get(url, timeout=60)
    form = {
        "csrfmiddlewaretoken": browser.cookies["csrftoken"],
        "segment": one.facts["segment"],
        "name": "New",
    }
    return browser.post(url, form, allow_redirects=False, timeout=60)


def test_f08_a_stopped_process_with_an_open_transaction_does_no_harm(site, is_sqlite):
    one = site(N)
    one.start("web")
    one.do(crowd.launch)
    with _locked(one):
        one.start("engine")
        # SQLite has one lock for all writers; PostgreSQL locks only the rows of the canvases.
        answer = _new_canvas(one)
        assert answer.status_code == (503 if is_sqlite else 302)
        assert ("The database is not ready" in answer.text) is is_sqlite
        assert one.do(crowd.broken_laws) == []
        assert one.do(crowd.counts) == {}
    assert one.rest() == {"entered": N, "synced": N}
    assert _new_canvas(one).status_code == 302
    if is_sqlite:
        assert "database is locked" in one.whole_log("web")
    one.check_at_rest()
