"""Faults on the wire: answers late, cut, damaged or missing."""

import contextlib
import time

import pytest
import requests

from tests.support.stack import wait_until
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough


def set_fault(caller, kind, **more):
    caller.sandbox.faults.set(kind, count=1, **more)


def create(caller, timeout=60):
    body = {"advertiser_id": EU, "custom_audience_name": "winback"}
    return caller.send("POST", "segment/audience", json=body, timeout=timeout)


def created(caller):
    return caller.sandbox.audiences.count(EU) - 5


def test_an_http_error_applies_nothing(mara):
    set_fault(mara, "http_error", status=503)
    answer = create(mara)
    assert (answer.status_code, created(mara)) == (503, 0)
    assert create(mara).status_code == 200


def test_a_drop_applies_nothing(mara):
    set_fault(mara, "drop")
    with pytest.raises(requests.ConnectionError):
        create(mara)
    assert created(mara) == 0


def test_apply_then_drop_applies(mara):
    set_fault(mara, "apply_then_drop")
    with pytest.raises(requests.ConnectionError):
        create(mara)
    assert created(mara) == 1


def test_a_slow_answer_was_applied_before(mara):
    set_fault(mara, "slow", seconds=600)
    with pytest.raises(requests.Timeout):
        create(mara, timeout=(60, 0.3))
    wait_until(lambda: created(mara) == 1)  # a busy server may read the request later


def test_a_slow_answer_comes(mara):
    set_fault(mara, "slow", seconds=0.3)
    started = time.monotonic()
    assert create(mara).json()["code"] == 0
    assert time.monotonic() - started >= 0.3


def test_other_calls_do_not_wait_for_a_slow_one(mara):
    set_fault(mara, "slow", endpoint="segment/audience", seconds=600)
    with pytest.raises(requests.Timeout):
        create(mara, timeout=(60, 0.1))
    assert mara.get("user/info").json()["code"] == 0


def test_a_dripping_answer_outlasts_a_timeout_per_byte(mara):
    set_fault(mara, "drip", seconds=0.01)
    started = time.monotonic()
    assert create(mara, timeout=0.9).json()["code"] == 0
    assert time.monotonic() - started > 1


def test_a_truncated_answer_ends_early(mara):
    set_fault(mara, "truncated")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        create(mara)
    assert created(mara) == 1


def test_not_json(mara):
    set_fault(mara, "not_json")
    answer = create(mara)
    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_an_empty_answer(mara):
    set_fault(mara, "empty")
    answer = create(mara)
    assert (answer.status_code, answer.content) == (200, b"")


def test_the_wrong_content_type(mara):
    set_fault(mara, "wrong_type")
    answer = create(mara)
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert answer.json()["code"] == 0


def test_a_redirect(mara):
    set_fault(mara, "redirect", location=f"{mara.server.url}/sandbox/elsewhere/")
    answer = create(mara)
    assert answer.status_code == 302
    assert requests.get(answer.headers["Location"], timeout=60).text == "You followed a redirect."


def test_a_huge_answer(mara):
    set_fault(mara, "huge", megabytes=2)
    assert len(create(mara).content) > 2 << 20


@pytest.mark.parametrize(("kind", "code"), [("code_text", "0"), ("code_null", None)])
def test_odd_codes(mara, kind, code):
    set_fault(mara, kind)
    assert create(mara).json()["code"] == code


def test_no_code(mara):
    set_fault(mara, "code_missing")
    assert "code" not in create(mara).json()


@pytest.mark.parametrize("kind", ["slow", "not_json", "empty", "code_null", "apply_then_drop"])
def test_damaged_answers_were_applied(mara, kind):
    set_fault(mara, kind, **({"seconds": 0.01} if kind == "slow" else {}))
    with contextlib.suppress(requests.ConnectionError):
        create(mara)
    assert created(mara) == 1
