"""After a whole journey at DEBUG level: no secret, nobody's data in logs, metrics, tasks, pages, or bare in the database."""

import base64
import json
import sqlite3
from contextlib import closing

import pytest
import requests

from canvases.rehearsal.story import GROUP
from tests.canary.journey import FAULTS, Journey

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def journey(tmp_path_factory):
    one = Journey(tmp_path_factory.mktemp("canary"))
    one.prepare()
    try:
        one.stack.start()
        one.go()
        header = {"Authorization": f"Bearer {one.birds.secrets['METRICS_TOKEN']}"}
        one.metrics = requests.get(f"{one.stack.url}/metrics", headers=header, timeout=20).text
        one.ready = requests.get(f"{one.stack.url}/readyz", timeout=20).text
    finally:
        one.stack.stop()
    return one


@pytest.mark.parametrize("name", ["web", "engine", "sandbox"])
def test_logs(journey, name):
    log = (journey.stack.var / f"{name}.log").read_text()
    assert len(log) > 50
    assert journey.birds.found(log) == []


@pytest.mark.parametrize("name", ["web", "engine"])
def test_every_line_is_json_and_names_its_request(journey, name):
    lines = (journey.stack.var / f"{name}.log").read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert [line for line in lines if not line.startswith("{")] == []
    assert all("request_id" in line for line in found)
    logger, words = {"web": ("audiencesync.logs", "GET"), "engine": ("partners.settle", "pushed")}[name]
    mine = [line for line in found if line["logger"] == logger and line["message"].startswith(words)]
    assert mine
    assert all(line["request_id"] for line in mine)


def test_the_faults_were_met(journey):
    """Else their lines of the log would not have been searched."""
    lines = [json.loads(line) for line in (journey.stack.var / "engine.log").read_text().splitlines()]
    codes = [line["code"] for line in lines if line["logger"] == "partners.settle"]
    assert {"0", "40100", "no_answer"} <= set(codes)
    assert len([code for code in codes if code != "0"]) == len(FAULTS)


def test_metrics_and_health(journey):
    assert "audsync_requests_day" in journey.metrics
    assert journey.birds.found(journey.metrics + journey.ready) == []


def test_pages_as_a_viewer(journey):
    assert len(journey.pages) > 15
    assert any(GROUP in text for text in journey.pages.values())
    found = {url: journey.birds.found(text) for url, text in journey.pages.items()}
    assert {url: names for url, names in found.items() if names} == {}


def test_the_database_holds_no_secret_in_the_clear(journey):
    files = list(journey.stack.var.glob("audiencesync.sqlite3*"))
    text = b"".join(file.read_bytes() for file in files).decode("latin-1")
    assert journey.birds.people["email"] in text  # the search sees what is there
    cookies = {name for name in journey.birds.secrets if name.startswith(("sessionid", "csrftoken"))}
    found = set(journey.birds.found(text, only_secrets=True))
    assert found - cookies == set()  # Django's sessions are known by their key


def test_tasks_carry_nothing(journey):
    with closing(sqlite3.connect(journey.stack.var / "audiencesync.sqlite3")) as database:
        rows = database.execute("SELECT payload FROM django_q_ormq").fetchall()
        tasks = database.execute("SELECT * FROM django_q_task").fetchall()
    packages = [base64.urlsafe_b64decode(row[0].split(":")[0].lstrip(".") + "===") for row in rows]
    assert journey.birds.found(repr(tasks) + repr(packages)) == []
