"""Endpoints without an implementation answer in TikTok's envelope, as its SDK needs."""

import business_api_client as sdk
import pytest
import requests
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from tiktok_sandbox.accounts import AD_ACCOUNTS, AUDIENCES
from tiktok_sandbox.routes import NOT_SIMULATED
from tiktok_sandbox.sandbox import DEMO_APP_ID, DEMO_SECRET
from tiktok_sandbox.seed import JONAS, MARA


@pytest.mark.parametrize(("endpoint", "method"), NOT_SIMULATED.items())
def test_a_call_without_implementation_answers_200_with_a_code(mara_client, endpoint, method):
    answer = mara_client.send(method, endpoint, json={} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (200, 40008)
    assert {"code", "message", "request_id", "data"} == set(answer.json())
    assert endpoint in answer.json()["message"]


def test_the_sdk_raises_its_own_error(server, mara_client):
    configuration = sdk.Configuration()
    configuration.host = server.url
    audiences = sdk.AudienceApi(sdk.ApiClient(configuration))
    with pytest.raises(TiktokSDKError, match="40008|does not simulate"):
        audiences.dmp_custom_audience_share_log("7000", "1", mara_client.token)


def test_a_wrong_token_is_answered_first(mara_client):
    assert (
        mara_client.send("POST", "dmp/custom_audience/create", token="wrong", json={}).json()[
            "code"
        ]
        == 40105
    )


def test_an_unknown_address_stays_a_404(mara_client):
    assert mara_client.get("dmp/custom_audience/nothing").status_code == 404


def test_ad_accounts_are_listed_only_with_their_permission(server, mara_client):
    for scope, code in (({AUDIENCES}, 40001), ({AD_ACCOUNTS}, 0), ({AD_ACCOUNTS, AUDIENCES}, 0)):
        mara_client.token = server.sandbox.accounts.issue_token(MARA, frozenset(scope))
        answer = mara_client.get("oauth2/advertiser/get", app_id=DEMO_APP_ID, secret=DEMO_SECRET)
        assert answer.json()["code"] == code, scope


def codes(server, body):
    return requests.post(f"{server.url}/sandbox/api/auth_codes/", json=body, timeout=60)


@pytest.mark.parametrize(
    ("body", "user", "scope"),
    [
        (None, MARA, [1, 3]),
        ({"user_id": JONAS, "scope": [3]}, JONAS, [3]),
        ({"user_id": int(MARA)}, MARA, [1, 3]),
    ],
)
def test_a_program_gets_an_authorisation_code_and_a_token(server, mara_client, body, user, scope):
    answer = codes(server, body)
    assert answer.status_code == 201
    requests_of = {
        "app_id": DEMO_APP_ID,
        "secret": DEMO_SECRET,
        "auth_code": answer.json()["auth_code"],
    }
    data = mara_client.post("oauth2/access_token", **requests_of).json()["data"]
    assert (server.sandbox.accounts.token(data["access_token"]).user_id, data["scope"]) == (
        user,
        scope,
    )


@pytest.mark.parametrize(
    "body", [[], {"scope": [2]}, {"scope": 1}, {"scope": [[]]}, {"user_id": "1"}, {"user_id": "x"}]
)
def test_an_invalid_request_for_a_code_is_refused(server, body):
    assert codes(server, body).status_code == 400
