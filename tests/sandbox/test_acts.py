"""Acts: tokens revoked, ad accounts dropped, audiences deleted."""

import pytest
import requests

from tiktok_sandbox.seed import EU, FIRST_AUDIENCE, JONAS, MARA, UK


@pytest.fixture
def jonas(client_of, server):
    return client_of(server, JONAS)


@pytest.fixture
def act(server):
    def post(kind, **more):
        return requests.post(
            f"{server.url}/sandbox/api/faults/", json={"kind": kind, **more}, timeout=60
        ).json()

    return post


def may(client_of, advertiser_id=EU):
    return client_of.get("dmp/custom_audience/list", advertiser_id=advertiser_id).json()["code"]


def test_all_tokens_of_a_user_are_revoked(act, mara_client, jonas):
    assert act("revoke_token", user_id=MARA)["revoked"] == 1
    assert (may(mara_client), may(jonas)) == (40105, 0)


def test_all_tokens_are_revoked(act, mara_client, jonas):
    assert act("revoke_token")["revoked"] == 2
    assert (may(mara_client), may(jonas)) == (40105, 40105)


def test_an_ad_account_is_dropped_for_one_user(act, mara_client, jonas):
    act("drop_account", advertiser_id=EU, user_id=MARA)
    assert (may(mara_client), may(mara_client, UK), may(jonas)) == (40001, 0, 0)
    act("restore_account", advertiser_id=EU)
    assert may(mara_client) == 0


def test_a_dropped_ad_account_is_listed_and_healed(act, mara_client, jonas, server):
    act("drop_account", advertiser_id=EU)
    assert (may(mara_client), may(jonas)) == (40001, 40001)
    dropped = requests.get(f"{server.url}/sandbox/api/faults/", timeout=60).json()[
        "dropped_accounts"
    ]
    assert {one["user_id"] for one in dropped} == {MARA, JONAS}
    requests.delete(f"{server.url}/sandbox/api/faults/", timeout=60)
    assert may(mara_client) == 0


def test_an_audience_is_deleted(act, mara_client, person_row):
    audience = str(FIRST_AUDIENCE)
    assert mara_client.map([person_row(audience, 1)]).json()["code"] == 0
    act("delete_audience", audience_id=audience)
    assert mara_client.map([person_row(audience, 1)]).json()["code"] == 40007


def test_reset_restores_the_demo_data(act, mara_client, person_row, server):
    audience = mara_client.create()
    mara_client.map([person_row(audience, 1)])
    act("drop_account", advertiser_id=EU)
    act("code", code=50000)
    assert requests.post(f"{server.url}/sandbox/api/reset/", timeout=60).status_code == 200
    assert may(mara_client) == 40105
    mara_client.token = mara_client.sandbox.accounts.issue_token(MARA)
    assert may(mara_client) == 0
    assert mara_client.sandbox.audiences.get(audience) is None
    assert mara_client.people(str(FIRST_AUDIENCE)) == 1_500
