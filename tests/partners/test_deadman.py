"""The dead-man URL is called by housekeeping, and its key is not logged."""

import pytest
import requests
import responses

from partners import housekeeping

ADDRESS = "https://alarm.example.org/a-key-of-ours"


@pytest.fixture
def monitor(db, settings):
    settings.DEADMAN_URL = ADDRESS
    with responses.RequestsMock() as mock:
        yield mock


def test_the_beat_calls_the_url(monitor):
    monitor.get(ADDRESS)
    housekeeping.beat()
    assert len(monitor.calls) == 1


@pytest.mark.parametrize(
    "failure", [{"status": 500}, {"body": requests.ConnectionError("a-key-of-ours")}]
)
def test_a_failing_call_is_logged_without_its_key(monitor, caplog, failure):
    monitor.get(ADDRESS, **failure)
    housekeeping.beat()
    assert "DEADMAN_URL did not answer well" in caplog.text
    assert "a-key-of-ours" not in caplog.text


def test_without_a_url_there_is_no_call(db):
    with responses.RequestsMock() as mock:
        housekeeping.beat()
        assert len(mock.calls) == 0
