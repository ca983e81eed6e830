"""The JSON interface for tests: exact members, and the log of requests."""

import requests

from tiktok_sandbox.log import busiest_second
from tiktok_sandbox.seed import EU, FIRST_AUDIENCE


def fetch(server, path):
    return requests.get(f"{server.url}/sandbox/api/{path}", timeout=60)


def test_audiences_are_counted_exactly(mara_client, server, person_row):
    audience = mara_client.create("winback")
    mara_client.map(
        [person_row(audience, 1, 2), person_row(audience, 3, None)],
        ("EMAIL_SHA256", "PHONE_SHA256"),
    )
    audience_of = {
        one["audience_id"]: one for one in fetch(server, "audiences/").json()["audiences"]
    }
    assert audience_of[audience] == {
        "audience_id": audience,
        "advertiser_id": EU,
        "name": "winback",
        "type": "Partner",
        "people": 2,
        "ids": {"EMAIL_SHA256": 2, "PHONE_SHA256": 1},
        "base_size": 0,
    }


def test_members_are_listed(mara_client, server, person_row, hash_of):
    audience = mara_client.create()
    mara_client.map([person_row(audience, n) for n in range(2_500)])
    lines = fetch(server, f"audiences/{audience}/members/").text.splitlines()
    assert len(set(lines)) == 2_500
    assert f'["EMAIL_SHA256","{hash_of(7)}"]' in lines


def test_an_empty_audience_has_no_members(mara_client, server):
    assert fetch(server, f"audiences/{mara_client.create()}/members/").text == ""


def test_an_unknown_audience_is_404(server):
    for one in ("1", "x", "", "²", "9" * 20):
        assert fetch(server, f"audiences/{one}/members/").status_code == 404, one


def test_requests_are_logged_without_hashes_and_tokens(mara_client, server, person_row, hash_of):
    audience = str(FIRST_AUDIENCE)
    mara_client.map(
        [person_row(audience, 1, 2), person_row(audience, 3, None)],
        ("EMAIL_SHA256", "PHONE_SHA256"),
    )
    mara_client.map([[{}]])
    answer = fetch(server, "requests/")
    refused, accepted = answer.json()["requests"]
    assert (accepted["endpoint"], accepted["action"], accepted["people"], accepted["ids"]) == (
        "segment/mapping",
        "add",
        2,
        3,
    )
    assert (accepted["audiences"], accepted["advertisers"], accepted["code"]) == (
        [audience],
        [EU],
        0,
    )
    assert refused["code"] == 40002
    assert hash_of(1) not in answer.text
    assert mara_client.token not in answer.text


def test_faults_are_logged(mara_client, server):
    mara_client.sandbox.faults.set("http_error", count=1)
    mara_client.get("user/info")
    line = fetch(server, "requests/").json()["requests"][0]
    assert (line["fault"], line["code"]) == ("http_error", None)


def test_the_busiest_second_is_counted(mara_client, server):
    for _ in range(5):
        mara_client.get("user/info")
    content = fetch(server, "requests/?limit=2").json()
    assert (content["total"], content["most_in_one_second"], len(content["requests"])) == (5, 5, 2)


def test_the_busiest_second_slides():
    assert busiest_second([0.0, 0.5, 0.9, 1.4, 1.45, 3.0]) == 4
    assert busiest_second([0.0, 1.0]) == 1
    assert busiest_second([]) == 0


def test_it_is_healthy(server):
    assert requests.get(f"{server.url}/sandbox/healthz", timeout=60).json()["status"] == "ok"


def test_a_limit_that_is_no_number_counts_as_none(mara_client, server):
    mara_client.create()
    assert len(fetch(server, "requests/?limit=²").json()["requests"]) == 1


def test_a_scope_holds_numbers_only(server):
    url = f"{server.url}/sandbox/api/auth_codes/"
    for scope in ([True], [1.0], ["1"]):
        assert requests.post(url, json={"scope": scope}, timeout=60).status_code == 400, scope
