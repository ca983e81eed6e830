"""After a journey at DEBUG level, secrets are nowhere, and personal data only in its columns."""

import json
from urllib.parse import urlsplit

import pytest
import requests

from lab.story.story import GROUP
from tests.system.canary import artefacts
from tests.system.canary.journey import FAULTS, Journey
from tests.system.crash.conftest import databases
from tests.system.faults.live.site import address

__all__ = ["databases"]
pytestmark = pytest.mark.slow
# Where personal data may be: (table, column) -> how the name of the planted value ends.
PLACES = {
    **{("people_profile", name): name for name in ("email", "phone", "idfa")},
    ("people_profile", "gaid"): ("gaid", "google_ad_id"),
    **{
        ("people_profile", f"{kind}_sha256"): f"hash {n}"
        for n, kind in enumerate(("email", "phone", "idfa", "gaid"))
    },
    # For an address outside Gmail both hashes are the same.
    ("people_profile", "email_gmail_sha256"): "hash 0",
    ("groups_invitation", "email"): "invited e-mail",
    ("groups_activity", "subject"): "invited e-mail",
}
COLLEAGUES = {"members", "activity"}  # pages that show colleagues' e-mail addresses


@pytest.fixture(scope="module")
def journey(databases, tmp_path_factory):
    name = databases.create(databases.base)
    one = Journey(tmp_path_factory.mktemp("canary"), address(name))
    one.prepare()
    try:
        one.stack.start()
        one.go()
        header = {"Authorization": f"Bearer {one.planted.secrets['METRICS_TOKEN']}"}
        one.metrics = requests.get(f"{one.stack.url}/metrics", headers=header, timeout=120).text
        one.ready = requests.get(f"{one.stack.url}/readyz", timeout=120).text
    finally:
        one.stack.stop()
    yield one
    databases.drop(name)


def log_lines(journey, name):
    """Return the lines of a process's log as dicts; every line must be JSON."""
    return [
        json.loads(line) for line in (journey.stack.var / f"{name}.log").read_text().splitlines()
    ]


@pytest.mark.parametrize("name", ["web", "engine", "sandbox"])
def test_logs_hold_no_planted_value(journey, name):
    log = (journey.stack.var / f"{name}.log").read_text()
    assert len(log) > 50
    assert journey.planted.found(log) == []


@pytest.mark.parametrize("name", ["web", "engine"])
def test_the_logs_include_debug_lines(journey, name):
    # Without DEBUG lines the other tests would search too little.
    debug = {line["logger"] for line in log_lines(journey, name) if line["level"] == "debug"}
    assert debug >= {"urllib3.connectionpool", "partners.tiktok.client"}


@pytest.mark.parametrize(
    ("name", "logger", "words"),
    [("web", "audiencesync.core.logs", "GET"), ("engine", "partners.queue.settle", "pushed")],
)
def test_every_line_names_its_request(journey, name, logger, words):
    lines = log_lines(journey, name)
    assert all("request_id" in line for line in lines)
    mine = [
        line for line in lines if line["logger"] == logger and line["message"].startswith(words)
    ]
    assert mine
    assert all(line["request_id"] for line in mine)


def test_the_logs_include_the_faults(journey):
    # Without the faults, no test would search the lines that they log.
    codes = [
        line["code"]
        for line in log_lines(journey, "engine")
        if line["logger"] == "partners.queue.settle"
    ]
    assert {"0", "40100", "no_answer"} <= set(codes)
    assert len([code for code in codes if code != "0"]) == len(FAULTS)


def test_metrics_and_health_hold_no_planted_value(journey):
    assert "audsync_requests_day" in journey.metrics
    assert journey.planted.found(journey.metrics + journey.ready) == []


def test_pages_of_a_viewer_show_only_colleagues(journey):
    assert len(journey.pages) > 15
    assert any(GROUP in text for text in journey.pages.values())
    found = {url: journey.planted.found(text) for url, text in journey.pages.items()}
    assert {
        url: names for url, names in found.items() if names and not names_colleagues(url, names)
    } == {}


def names_colleagues(url, names):
    return names == ["invited e-mail"] and urlsplit(url).path.split("/")[3] in COLLEAGUES


def test_pages_of_an_admin_show_no_secret_and_no_hash(journey):
    assert any(journey.planted.people["email"] in text for text in journey.admins_pages.values())
    hidden = set(journey.planted.secrets) | set(journey.planted.hashes())
    found = {
        url: hidden & set(journey.planted.found(text)) for url, text in journey.admins_pages.items()
    }
    assert {url: names for url, names in found.items() if names} == {}


def test_personal_data_is_only_in_its_columns_and_erased_data_in_none(journey):
    seen = {}
    for where, text in artefacts.cells(journey.database_url).items():
        seen |= {(*where, name): name for name in journey.planted.found(text)}
    assert {place[:2] for place in seen} >= set(PLACES)  # proves that the search finds values
    # The primary key of these tables is the secret of a session.
    tables = ("django_session", "usersessions_usersession")
    sessions = {
        place for place in seen if place[:2] in [(table, "session_key") for table in tables]
    }
    elsewhere = [
        place for place, name in seen.items() if not name.endswith(PLACES.get(place[:2], "nowhere"))
    ]
    assert sorted(set(elsewhere) - sessions) == []
    assert [name for name in seen.values() if name.startswith("file ")] == []


def test_database_files_and_logs_hold_no_secret(journey):
    # SQLite's files may still hold deleted rows; PostgreSQL's log may hold no personal data.
    text = artefacts.beside_the_tables(journey.database_url)
    assert secrets_but_sessions(journey, text) == set()
    assert journey.database_url.startswith("sqlite") or journey.planted.found(text) == []


def test_the_backup_holds_no_secret(journey):
    text = artefacts.backup(journey.stack.var / "backup")
    assert journey.planted.people["email"] in text
    assert secrets_but_sessions(journey, text) == set()


def secrets_but_sessions(journey, text):
    # A session's primary key is its secret, so it must be in the database.
    found = journey.planted.found(text, only_secrets=True)
    return {name for name in found if not name.startswith("sessionid")}


def test_the_erasure_ledger_holds_no_personal_data(journey):
    lines = (journey.stack.var / "erasures.jsonl").read_text().splitlines()
    assert {"external_id", "email", "phone"} <= {json.loads(line)["kind"] for line in lines if line}
    assert journey.planted.found("\n".join(lines)) == []


def test_mails_hold_only_the_address_of_the_invitation(journey):
    mails = list(artefacts.mails(journey.stack.var / "mails"))
    assert [
        subject
        for subject in ("Invitation", "Reset your password")
        if not any(subject in mail for mail in mails)
    ] == []
    found = {name for mail in mails for name in journey.planted.found(mail)}
    assert found == {"invited e-mail"}


def test_tasks_and_redis_hold_no_planted_value(journey):
    tables = artefacts.cells(journey.database_url).items()
    texts = [
        text
        for (table, _column), text in tables
        if table in ("django_q_ormq", "django_q_task", "cache")
    ]
    texts.append(artefacts.kept_in_redis(journey.redis_url) if journey.redis_url else "")
    assert any(texts)
    assert [
        name for text in texts for name in journey.planted.found(text + artefacts.unpacked(text))
    ] == []
