"""Logs: one JSON object per line, with request id and route, and only allowed fields."""

import json
import logging

import pytest
from django.db import IntegrityError
from django.test import Client

from audiencesync.core import logs


def formatted(**more):
    record = logging.makeLogRecord(
        {"name": "a.b", "levelname": "WARNING", "msg": "two\nlines of %s", "args": ("x",)} | more
    )
    text = logs.JsonLines().format(record)
    assert "\n" not in text
    return json.loads(text)


def test_a_record_is_one_line_of_json():
    logs.request_id.set("abc-12345")
    entry = formatted(batch=7, code="40100", partner_request_id="t1", duration_ms=12)
    assert entry.pop("ts").endswith("+00:00")
    assert entry == {
        "level": "warning",
        "message": "two\nlines of x",
        "logger": "a.b",
        "request_id": "abc-12345",
        "batch": 7,
        "code": "40100",
        "partner_request_id": "t1",
        "duration_ms": 12,
    }


def test_an_unknown_field_is_not_logged():
    assert "eve@example.org" not in json.dumps(formatted(email="eve@example.org"))


def test_an_exception_stays_in_its_line():
    try:
        raise ValueError("why")
    except ValueError as error:
        entry = formatted(exc_info=(ValueError, error, error.__traceback__))
    assert "ValueError: why" in entry["exception"]


def test_values_in_a_postgresql_error_are_removed():
    words = "duplicate key\nDETAIL:  Key (email)=(eve@example.org) already exists.\n"
    words += "LINE 1: ... VALUES ('eve@example.org')\n"
    words += "CONTEXT:  COPY import_rows, line 3, column email: eve@example.org\n"
    try:
        raise IntegrityError(words)
    except IntegrityError as error:
        entry = formatted(exc_info=(IntegrityError, error, error.__traceback__))
    assert "duplicate key" in entry["exception"]
    assert "eve@" not in entry["exception"]


def test_a_repeated_error_is_logged_once_a_minute():
    log_filter = logs.OncePerMinute()

    def passes(level, message, at):
        record = {"levelno": level, "msg": message, "created": at}
        return log_filter.filter(logging.makeLogRecord(record))

    assert [passes(logging.ERROR, "away", at) for at in (0, 1, 59, 61, 62)] == [
        True,
        False,
        False,
        True,
        False,
    ]
    assert passes(logging.ERROR, "something else", 62)
    assert [passes(logging.INFO, "done", at) for at in (0, 1)] == [True, True]


@pytest.mark.parametrize("given", ["abcd-1234", "A" * 64])
def test_a_valid_request_id_of_the_client_is_used(given):
    assert Client().get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", "short", "A" * 65, "abc def 12345", "abcd-1234\n", "é" * 10, "a@example.org"]
)
def test_an_invalid_request_id_is_replaced(given):
    request_id = Client().get("/healthz", headers={"X-Request-ID": given})["X-Request-ID"]
    assert request_id != given
    assert logs._CLIENT_ID.fullmatch(request_id)


def test_error_pages_show_the_request_id():
    answer = Client().get("/there-is-no-such-page", headers={"X-Request-ID": "abcd-1234"})
    assert answer.status_code == 404
    assert "<code>abcd-1234</code>" in answer.content.decode()


def test_a_request_is_logged_with_its_route(caplog, signed_in, alice):
    caplog.set_level(logging.INFO)
    signed_in(alice).get("/g/acme/members/")
    [found] = [record for record in caplog.records if record.name == "audiencesync.core.logs"]
    assert (found.route, found.method, found.status) == ("/g/<slug:group>/members/", "GET", 200)
    assert isinstance(found.duration_ms, int)


@pytest.mark.parametrize(
    "path", ["/invitation/canary-token/", "/canary-token", "/invitation/canary-tokén/"]
)
def test_a_refused_request_is_logged_without_its_path(caplog, db, path):
    caplog.set_level(logging.DEBUG)
    answer = Client(enforce_csrf_checks=True).post(path)
    assert answer.status_code in {403, 404, 405, 410}
    assert any(record.name.startswith("django.") for record in caplog.records)
    assert "canary-tok" not in caplog.text
