"""Faults that answer with a code: their messages, the calls they hit, how often."""

import pytest
import requests

from tiktok_sandbox.seed import EU, UK


@pytest.fixture
def set_fault(server):
    """Set a fault through the JSON interface."""

    def begin(**fault):
        answer = requests.post(f"{server.url}/sandbox/api/faults/", json=fault, timeout=60)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return begin


def code(client_of, **query):
    return client_of.get("user/info", **query).json()["code"]


def test_a_throttle_ends_after_its_count(mara_client, set_fault):
    set_fault(kind="throttle", count=2)
    assert [code(mara_client) for _ in range(3)] == [40100, 40100, 0]


def test_a_throttle_ends_after_its_seconds(mara_client, set_fault, clock):
    set_fault(kind="throttle", for_seconds=0.3)
    assert code(mara_client) == 40100
    clock.sleep(0.35)
    assert code(mara_client) == 0


def test_a_share_hits_some_calls_and_not_others(mara_client, set_fault):
    set_fault(kind="code", code=50000, share=0.5)
    assert {code(mara_client) for _ in range(40)} == {
        0,
        50000,
    }  # 40 equal answers in a row: practically never


def test_a_throttle_of_an_ad_account_hits_only_that(mara_client, set_fault, person_row):
    set_fault(kind="throttle", advertiser_id=EU)
    german, british = (mara_client.sandbox.audiences.create(account, "x") for account in (EU, UK))
    assert mara_client.map([person_row(german, 1)]).json()["code"] == 40133
    assert mara_client.map([person_row(british, 1)], advertiser_ids=(UK,)).json()["code"] == 0
    assert mara_client.get("advertiser/info", advertiser_ids=f'["{EU}"]').json()["code"] == 40133
    assert code(mara_client) == 0


@pytest.mark.parametrize(
    "number", [40001, 40016, 40105, 40106, 40300, 50000, 50002, 51063, 60001, 61000, 12345]
)
def test_any_code(mara_client, set_fault, number):
    set_fault(kind="code", code=number, count=1)
    answer = mara_client.get("user/info")
    assert (answer.status_code, answer.json()["code"], answer.json()["data"]) == (200, number, {})
    assert code(mara_client) == 0


def test_a_fault_of_an_endpoint_hits_only_that(mara_client, set_fault):
    set_fault(kind="code", code=50000, endpoint="segment/")
    assert code(mara_client) == 0
    assert (
        mara_client.post("segment/audience", advertiser_id=EU, custom_audience_name="x").json()[
            "code"
        ]
        == 50000
    )
    assert mara_client.sandbox.audiences.count(EU) == 5


def test_a_fault_lasts_until_cleared(mara_client, set_fault, server):
    set_fault(kind="code", code=50000)
    assert [code(mara_client) for _ in range(3)] == [50000] * 3
    assert len(requests.get(f"{server.url}/sandbox/api/faults/", timeout=60).json()["faults"]) == 1
    requests.delete(f"{server.url}/sandbox/api/faults/", timeout=60)
    assert code(mara_client) == 0


def test_one_of_several_is_cleared(mara_client, set_fault, server):
    first = set_fault(kind="code", code=50000)
    set_fault(kind="code", code=50002)
    requests.delete(f"{server.url}/sandbox/api/faults/?id={first['id']}", timeout=60)
    assert code(mara_client) == 50002


def test_the_allowlist_is_checked_after_the_token(mara_client, set_fault):
    set_fault(kind="not_allowlisted")
    body = {"advertiser_id": EU, "custom_audience_name": "x"}
    assert mara_client.post("segment/audience", **body).json()["code"] == 40118
    assert (
        mara_client.send("POST", "segment/audience", token="guess", json=body).json()["code"]
        == 40105
    )
    assert code(mara_client) == 0


def test_a_poison_hash_refuses_its_whole_batch(mara_client, set_fault, person_row, hash_of):
    audience = mara_client.create()
    set_fault(kind="poison", hash=hash_of(2))
    assert mara_client.map([person_row(audience, n) for n in range(4)]).json()["code"] == 40002
    assert mara_client.people(audience) == 0
    assert mara_client.map([person_row(audience, n) for n in (0, 1, 3)]).json()["code"] == 0
    assert mara_client.people(audience) == 3


def test_partial_success_names_the_rows(mara_client, set_fault, person_row):
    audience = mara_client.create()
    set_fault(kind="partial", rows=[0, 2], named=True, count=1)
    answer = mara_client.map([person_row(audience, n) for n in range(4)]).json()
    assert (answer["code"], answer["data"]) == (20001, {"failed_rows": [0, 2]})
    assert mara_client.people(audience) == 2


def test_partial_success_may_name_no_rows(mara_client, set_fault, person_row, hash_of):
    audience = mara_client.create()
    set_fault(kind="partial", hash=hash_of(1))
    answer = mara_client.map([person_row(audience, n) for n in range(4)]).json()
    assert (answer["code"], answer["data"]) == (20001, {})
    assert mara_client.people(audience) == 3
    assert mara_client.map([person_row(audience, 1)]).json()["code"] == 20001
    assert mara_client.map([person_row(audience, 2)]).json()["code"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "meteor"},
        {},
        {"kind": "code"},
        {"kind": "code", "code": "x"},
        {"kind": "poison", "hash": "abc"},
        {"kind": "slow", "seconds": -1},
        {"kind": "slow", "seconds": "long"},
        {"kind": "throttle", "count": 0},
        {"kind": "throttle", "share": 0},
        {"kind": "throttle", "share": 2},
        {"kind": "throttle", "advertiser_id": "x"},
        {"kind": "throttle", "tpyo": 1},
        {"kind": "partial", "rows": "first"},
        {"kind": "drop_account"},
        {"kind": "drop_account", "advertiser_id": "1"},
        {"kind": "revoke_token", "user_id": "1"},
        {"kind": "delete_audience", "audience_id": "1"},
    ],
)
def test_invalid_faults_are_explained(server, mara_client, wrong):
    answer = requests.post(f"{server.url}/sandbox/api/faults/", json=wrong, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert code(mara_client) == 0


def test_a_fault_can_be_set_in_process(mara_client):
    mara_client.sandbox.faults.set("code", code=50002, count=1)
    assert [code(mara_client), code(mara_client)] == [50002, 0]
