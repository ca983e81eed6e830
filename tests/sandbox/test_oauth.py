"""A code is exchanged for a token once; a token is valid until it is revoked."""

import pytest

from tiktok_sandbox import accounts
from tiktok_sandbox.sandbox import DEMO_APP_ID, DEMO_SECRET
from tiktok_sandbox.seed import EU, JONAS, MARA, US

APP = {"app_id": DEMO_APP_ID, "secret": DEMO_SECRET}
FULL = frozenset({1, 3})


@pytest.fixture
def code(server):
    return server.sandbox.accounts.issue_code(JONAS, FULL)


def test_a_code_is_exchanged_for_a_token_of_its_user(mara_client, code):
    data = mara_client.post("oauth2/access_token", **APP, auth_code=code).json()["data"]
    assert len(data["advertiser_ids"]) == 3
    assert (
        mara_client.send("GET", "user/info", token=data["access_token"]).json()["data"][
            "core_user_id"
        ]
        == JONAS
    )


def test_a_code_works_once(mara_client, code):
    assert mara_client.post("oauth2/access_token", **APP, auth_code=code).json()["code"] == 0
    assert mara_client.post("oauth2/access_token", **APP, auth_code=code).json()["code"] == 40110


def test_a_code_expires_after_an_hour(mara_client, code, monkeypatch):
    monkeypatch.setattr(accounts, "CODE_SECONDS", 0)
    assert mara_client.post("oauth2/access_token", **APP, auth_code=code).json()["code"] == 40110


def test_an_unknown_code_is_refused(mara_client):
    assert mara_client.post("oauth2/access_token", **APP, auth_code="guess").json()["code"] == 40101


@pytest.mark.parametrize("wrong", [{"secret": "guess"}, {"app_id": "1"}])
def test_the_secret_must_match_the_app(mara_client, code, wrong):
    assert (
        mara_client.post("oauth2/access_token", **{**APP, **wrong}, auth_code=code).json()["code"]
        == 40101
    )
    assert mara_client.post("oauth2/access_token", **APP, auth_code=code).json()["code"] == 0


def test_ad_accounts_can_be_left_out(mara_client, code):
    answer = mara_client.post(
        "oauth2/access_token", **APP, auth_code=code, return_advertiser_ids=False
    ).json()
    assert answer["data"]["advertiser_ids"] == []


def test_a_missing_field_is_named(mara_client):
    answer = mara_client.post("oauth2/access_token", **APP).json()
    assert (answer["code"], answer["message"]) == (40002, "Missing required field(s): auth_code.")


def test_a_revoked_token_is_refused(mara_client):
    data = mara_client.post("oauth2/revoke_token", **APP, access_token=mara_client.token).json()[
        "data"
    ]
    assert len(data["advertiser_ids"]) == 4
    assert mara_client.get("user/info").json()["code"] == 40105


def test_revoking_needs_the_secret(mara_client):
    wrong = {**APP, "secret": "guess"}
    assert (
        mara_client.post("oauth2/revoke_token", **wrong, access_token=mara_client.token).json()[
            "code"
        ]
        == 40101
    )
    assert mara_client.get("user/info").json()["code"] == 0


def test_a_token_cannot_revoke_another(mara_client, client_of, server):
    jonas = client_of(server, JONAS)
    assert (
        jonas.post("oauth2/revoke_token", **APP, access_token=mara_client.token).json()["code"]
        == 40002
    )
    assert mara_client.get("user/info").json()["code"] == 0


def test_each_user_sees_their_ad_accounts(mara_client, client_of, server):
    ids = {
        row["advertiser_id"]
        for row in mara_client.get("oauth2/advertiser/get", **APP).json()["data"]["list"]
    }
    fewer = {
        row["advertiser_id"]
        for row in client_of(server, JONAS)
        .get("oauth2/advertiser/get", **APP)
        .json()["data"]["list"]
    }
    assert ids - fewer == {US}


def test_the_list_of_ad_accounts_needs_the_secret(mara_client):
    assert (
        mara_client.get("oauth2/advertiser/get", app_id=DEMO_APP_ID, secret="guess").json()["code"]
        == 40101
    )


def test_ad_accounts_are_described(mara_client):
    described = mara_client.get("advertiser/info", advertiser_ids=f'["{EU}"]').json()["data"][
        "list"
    ][0]
    assert described["name"] == "Acme EU"
    assert described["display_timezone"] == "Europe/Berlin"
    assert isinstance(described["create_time"], int)
    assert "ads_only_mode" not in described


def test_special_fields_are_returned_alone(mara_client):
    answer = mara_client.get(
        "advertiser/info", advertiser_ids=f'["{EU}"]', fields='["name", "ads_only_mode"]'
    ).json()
    assert answer["data"]["list"] == [{"advertiser_id": EU, "ads_only_mode": False}]


@pytest.mark.parametrize(
    "ids", ["", "7", '"7"', "[]", "[7]", '["x"]', "[", f'["{EU}"' + ',"1"' * 100 + "]"]
)
def test_bad_lists_of_ids_are_refused(mara_client, ids):
    assert mara_client.get("advertiser/info", advertiser_ids=ids).json()["code"] == 40002


def test_unknown_fields_are_refused(mara_client):
    assert (
        mara_client.get(
            "advertiser/info", advertiser_ids=f'["{EU}"]', fields='["shoe_size"]'
        ).json()["code"]
        == 40002
    )


def test_foreign_ad_accounts_are_refused(client_of, server):
    assert (
        client_of(server, JONAS).get("advertiser/info", advertiser_ids=f'["{US}"]').json()["code"]
        == 40001
    )


def test_the_user_is_masked(mara_client):
    data = mara_client.get("user/info").json()["data"]
    assert data["core_user_id"] == MARA
    assert "***" in data["email"]
