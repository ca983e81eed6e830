"""The envelope of every answer, and the order in which a call is checked."""

import re

import pytest
import requests

from tiktok_sandbox.routes import ENDPOINTS, NOT_SIMULATED
from tiktok_sandbox.seed import EU, JONAS, US

LOCKED = sorted(name for name, endpoint in ENDPOINTS.items() if endpoint.needs_token)


def test_success_says_ok(mara_client):
    answer = mara_client.get("user/info")
    content = answer.json()
    assert (content["code"], content["message"]) == (0, "OK")
    assert set(content) == {"code", "message", "request_id", "data"}
    assert re.fullmatch(r"\d{14}[0-9A-F]{20}", content["request_id"])
    assert answer.headers["X-TT-LOGID"] == content["request_id"]


@pytest.mark.parametrize("endpoint", LOCKED)
def test_a_missing_and_a_wrong_token_have_different_codes(server, endpoint):
    url, method = f"{server.url}/open_api/v1.3/{endpoint}/", ENDPOINTS[endpoint].method
    none = requests.request(method, url, timeout=60)
    wrong = requests.request(method, url, headers={"Access-Token": "guess"}, timeout=60)
    assert (none.status_code, none.json()["code"], none.json()["data"]) == (200, 40104, {})
    assert (wrong.status_code, wrong.json()["code"], wrong.json()["data"]) == (200, 40105, {})


@pytest.mark.parametrize("endpoint", sorted(set(ENDPOINTS) - {"user/info"} - set(NOT_SIMULATED)))
def test_missing_parameters_are_refused(mara_client, endpoint):
    answer = mara_client.send(
        ENDPOINTS[endpoint].method,
        endpoint,
        **({"json": {}} if ENDPOINTS[endpoint].method == "POST" else {}),
    )
    assert answer.status_code == 200
    assert answer.json()["code"] == 40002
    assert "Missing required field" in answer.json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"null"])
def test_a_body_other_than_a_json_object_is_refused(mara_client, body):
    headers = {"Access-Token": mara_client.token, "Content-Type": "application/json"}
    url = f"{mara_client.server.url}/open_api/v1.3/segment/mapping/"
    answer = requests.post(url, data=body, headers=headers, timeout=60)
    assert answer.json()["code"] == 40002


def test_a_form_is_refused(mara_client):
    assert (
        mara_client.send("POST", "segment/audience", data={"advertiser_id": EU}).json()["code"]
        == 40002
    )


def test_unknown_addresses_are_plain_404(mara_client):
    answer = mara_client.get("dmp/no_such_thing")
    assert (answer.status_code, answer.text) == (404, "404 page not found")


@pytest.mark.parametrize("endpoint", sorted(ENDPOINTS))
def test_the_wrong_method_is_405(mara_client, endpoint):
    wrong = {"GET": "POST", "POST": "GET"}[ENDPOINTS[endpoint].method]
    assert mara_client.send(wrong, endpoint).status_code == 405


def test_the_last_slash_may_be_missing_unless_strict(start_server, client_of):
    for strict, status in ((False, 200), (True, 404)):
        caller_ = client_of(start_server(strict_slash=strict))
        url = f"{caller_.server.url}/open_api/v1.3/user/info"
        assert (
            requests.get(url, headers={"Access-Token": caller_.token}, timeout=60).status_code
            == status
        )
        assert caller_.get("user/info").status_code == 200


def test_the_token_is_checked_before_the_body(mara_client):
    assert (
        mara_client.send("POST", "segment/mapping", token="guess", data=b"{").json()["code"]
        == 40105
    )


def test_the_body_is_checked_before_the_ad_account(client_of, server):
    jonas = client_of(server, JONAS)
    assert jonas.post("segment/audience", advertiser_id=US).json()["code"] == 40002
    assert (
        jonas.post("segment/audience", advertiser_id=US, custom_audience_name="x").json()["code"]
        == 40001
    )


def test_too_large_a_body_is_not_read(server):
    headers = {"Content-Length": str(10**9), "Access-Token": "x"}
    answer = requests.post(
        f"{server.url}/open_api/v1.3/segment/mapping/", headers=headers, timeout=60
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("scope", [frozenset({1}), frozenset()])
def test_audiences_need_their_permission(mara_client, scope):
    mara_client.token = mara_client.sandbox.accounts.issue_token(JONAS, scope)
    assert (
        mara_client.post("segment/audience", advertiser_id=EU, custom_audience_name="x").json()[
            "code"
        ]
        == 40001
    )
    assert mara_client.get("dmp/custom_audience/list", advertiser_id=EU).json()["code"] == 40001


def test_ad_accounts_need_their_permission(mara_client):
    mara_client.token = mara_client.sandbox.accounts.issue_token(JONAS, frozenset({3}))
    assert mara_client.get("advertiser/info", advertiser_ids=f'["{EU}"]').json()["code"] == 40001
