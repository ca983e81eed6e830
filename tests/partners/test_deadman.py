"""The address that alarms somebody when it is no longer called: called by each housekeeping, and its key is not told."""

import pytest
import requests
import responses

from partners import housekeeping

ADDRESS = "https://alarm.example.org/a-key-of-ours"


@pytest.fixture
def alarm(db, settings):
    settings.DEADMAN_URL = ADDRESS
    with responses.RequestsMock() as mock:
        yield mock


def test_it_is_called(alarm):
    alarm.get(ADDRESS)
    housekeeping.beat()
    assert len(alarm.calls) == 1


@pytest.mark.parametrize(
    "trouble", [{"status": 500}, {"body": requests.ConnectionError("a-key-of-ours")}]
)
def test_trouble_there_harms_nobody_and_tells_no_key(alarm, caplog, trouble):
    alarm.get(ADDRESS, **trouble)
    housekeeping.beat()
    assert "DEADMAN_URL did not answer well" in caplog.text
    assert "a-key-of-ours" not in caplog.text


def test_without_an_address_nobody_is_called(db):
    with responses.RequestsMock() as mock:
        housekeeping.beat()
        assert len(mock.calls) == 0
