"""Faults on the wire: answers late, cut, damaged or missing."""

import contextlib
import time

import pytest
import requests

from tests.support.stack import wait_until
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough


def set_fault(client_of, kind, **more):
    client_of.sandbox.faults.set(kind, count=1, **more)


def create(client_of, timeout=60):
    body = {"advertiser_id": EU, "custom_audience_name": "winback"}
    return client_of.send("POST", "segment/audience", json=body, timeout=timeout)


def created(client_of):
    return client_of.sandbox.audiences.count(EU) - 5


def test_an_http_error_applies_nothing(mara_client):
    set_fault(mara_client, "http_error", status=503)
    answer = create(mara_client)
    assert (answer.status_code, created(mara_client)) == (503, 0)
    assert create(mara_client).status_code == 200


def test_a_drop_applies_nothing(mara_client):
    set_fault(mara_client, "drop")
    with pytest.raises(requests.ConnectionError):
        create(mara_client)
    assert created(mara_client) == 0


def test_apply_then_drop_applies(mara_client):
    set_fault(mara_client, "apply_then_drop")
    with pytest.raises(requests.ConnectionError):
        create(mara_client)
    assert created(mara_client) == 1


def test_a_slow_answer_was_applied_before(mara_client):
    set_fault(mara_client, "slow", seconds=600)
    with pytest.raises(requests.Timeout):
        create(mara_client, timeout=(60, 0.3))
    wait_until(lambda: created(mara_client) == 1)  # a busy server may read the request later


def test_a_slow_answer_comes(mara_client):
    set_fault(mara_client, "slow", seconds=0.3)
    started = time.monotonic()
    assert create(mara_client).json()["code"] == 0
    assert time.monotonic() - started >= 0.3


def test_other_calls_do_not_wait_for_a_slow_one(mara_client):
    set_fault(mara_client, "slow", endpoint="segment/audience", seconds=600)
    with pytest.raises(requests.Timeout):
        create(mara_client, timeout=(60, 0.1))
    assert mara_client.get("user/info").json()["code"] == 0


def test_a_dripping_answer_outlasts_a_timeout_per_byte(mara_client):
    set_fault(mara_client, "drip", seconds=0.05)
    started = time.monotonic()
    assert create(mara_client, timeout=(60, 5)).json()["code"] == 0
    assert time.monotonic() - started > 5


def test_a_truncated_answer_ends_early(mara_client):
    set_fault(mara_client, "truncated")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        create(mara_client)
    assert created(mara_client) == 1


def test_not_json(mara_client):
    set_fault(mara_client, "not_json")
    answer = create(mara_client)
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_an_empty_answer(mara_client):
    set_fault(mara_client, "empty")
    answer = create(mara_client)
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_wrong_content_type(mara_client):
    set_fault(mara_client, "wrong_type")
    answer = create(mara_client)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.json()["code"] == 0


def test_a_redirect(mara_client):
    set_fault(mara_client, "redirect", location=f"{mara_client.server.url}/sandbox/elsewhere/")
    answer = create(mara_client)
    assert answer.status_code == 302
    assert requests.get(answer.headers["Location"], timeout=60).text == "You followed a redirect."


def test_a_huge_answer(mara_client):
    set_fault(mara_client, "huge", megabytes=2)
    assert len(create(mara_client).content) > 2 << 20


@pytest.mark.parametrize(("kind", "code"), [("code_text", "0"), ("code_null", None)])
def test_odd_codes(mara_client, kind, code):
    set_fault(mara_client, kind)
    assert create(mara_client).json()["code"] == code


def test_no_code(mara_client):
    set_fault(mara_client, "code_missing")
    assert "code" not in create(mara_client).json()


@pytest.mark.parametrize("kind", ["slow", "not_json", "empty", "code_null", "apply_then_drop"])
def test_damaged_answers_were_applied(mara_client, kind):
    set_fault(mara_client, kind, **({"seconds": 0.01} if kind == "slow" else {}))
    with contextlib.suppress(requests.ConnectionError):
        create(mara_client)
    assert created(mara_client) == 1
