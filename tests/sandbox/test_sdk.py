"""TikTok's official SDK works against the sandbox unmodified, also by its generic call."""

import re

import business_api_client as sdk
import pytest
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from tiktok_sandbox.accounts import AD_ACCOUNTS, AUDIENCES
from tiktok_sandbox.sandbox import DEMO_APP_ID, DEMO_SECRET
from tiktok_sandbox.seed import EU, FIRST_AUDIENCE, MARA, UK

READERS = str(FIRST_AUDIENCE)


@pytest.fixture
def client(server):
    configuration = sdk.Configuration()
    configuration.host = server.url
    return sdk.ApiClient(configuration)


@pytest.fixture
def token(mara_client):
    return mara_client.token


@pytest.fixture
def generic(client, token):
    """Calls an endpoint that the SDK has no method for."""

    def send(method, endpoint, body=None):
        answer = client.call_api(
            f"/open_api/v1.3/{endpoint}/",
            method,
            header_params={
                "Access-Token": token,
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            body=body,
            response_type="InlineResponse200",
            _return_http_data_only=True,
            _request_timeout=(60, 60),
        )
        return answer["data"]

    return send


def test_it_exchanges_an_authorisation_code(client, server):
    code = server.sandbox.accounts.issue_code(MARA, frozenset({AD_ACCOUNTS, AUDIENCES}))
    body = sdk.Oauth2AccessTokenBody(app_id=DEMO_APP_ID, auth_code=code, secret=DEMO_SECRET)
    data = sdk.AuthenticationApi(client).oauth2_access_token(body=body)["data"]
    assert server.sandbox.accounts.token(data["access_token"]).user_id == MARA
    assert len(data["advertiser_ids"]) == 4
    assert data["scope"] == [1, 3]


def test_it_lists_ad_accounts(client, token):
    data = sdk.AuthenticationApi(client).oauth2_advertiser_get(DEMO_APP_ID, DEMO_SECRET, token)[
        "data"
    ]
    names = [row["advertiser_name"] for row in data["list"]]
    assert names == ["Acme EU", "Acme UK", "Acme US Brand", "Acme Outlet"]


def test_it_reads_ad_accounts(client, token):
    api = sdk.AccountManagementApi(client)
    data = api.advertiser_info([EU, UK], token, fields=["name", "currency", "status"])["data"]
    assert data["list"] == [
        {"advertiser_id": EU, "name": "Acme EU", "currency": "EUR", "status": "STATUS_ENABLE"},
        {"advertiser_id": UK, "name": "Acme UK", "currency": "GBP", "status": "STATUS_ENABLE"},
    ]


def test_it_lists_audiences(client, token):
    data = sdk.AudienceApi(client).dmp_custom_audience_list(EU, token, page=2, page_size=2)["data"]
    assert data["page_info"] == {"page": 2, "page_size": 2, "total_number": 5, "total_page": 3}
    assert len(data["list"]) == 2


def test_it_lists_chosen_audiences(client, token):
    data = sdk.AudienceApi(client).dmp_custom_audience_list(
        EU, token, custom_audience_ids=[READERS]
    )["data"]
    assert [row["name"] for row in data["list"]] == ["Newsletter readers"]


def test_it_reads_an_audience(client, token):
    data = sdk.AudienceApi(client).dmp_custom_audience_get(EU, [READERS], token, history_size=1)[
        "data"
    ]
    assert data["list"][0]["audience_details"]["cover_num"] == 1500
    assert data["list"][0]["audience_history"][0]["action"] == "upload - add"


def test_it_deletes_an_audience(client, token, server):
    body = sdk.CustomAudienceDeleteBody(advertiser_id=EU, custom_audience_ids=[READERS])
    sdk.AudienceApi(client).dmp_custom_audience_delete(token, body=body)
    assert server.sandbox.audiences.get(READERS) is None


def test_it_creates_a_lookalike(client, token, server):
    spec = sdk.DmpcustomAudiencelookalikecreateLookalikeSpec(
        source_audience_id=READERS,
        include_source=False,
        mobile_os="ALL",
        placements=["TikTok"],
        location_ids=["DE"],
        audience_size="BALANCED",
    )
    body = sdk.LookalikeCreateBody(
        advertiser_id=EU, custom_audience_name="Like readers", lookalike_spec=spec
    )
    data = sdk.AudienceApi(client).dmp_custom_audience_lookalike_create(token, body=body)["data"]
    assert server.sandbox.audiences.get(data["custom_audience_id"]).type == "Lookalike Audience"


def test_it_raises_the_sandbox_s_errors(client):
    with pytest.raises(TiktokSDKError, match=re.escape("Error Code: 40105")):
        sdk.AudienceApi(client).dmp_custom_audience_list(EU, "no such token")


def test_streaming_endpoints_work_through_its_generic_call(generic, server, person_row):
    audience = generic(
        "POST", "segment/audience", {"advertiser_id": EU, "custom_audience_name": "winback"}
    )["audience_id"]
    batch = {
        "advertiser_ids": [EU],
        "id_schema": ["EMAIL_SHA256"],
        "batch_data": [person_row(audience, n) for n in range(3)],
    }
    assert generic("POST", "segment/mapping", batch) == {}
    assert server.sandbox.audiences.members(audience).people == 3
    assert (
        generic(
            "POST",
            "segment/audience",
            {"advertiser_id": EU, "action": "delete", "delete_audience_id": audience},
        )
        == {}
    )


def test_user_info_works_through_its_generic_call(generic):
    assert generic("GET", "user/info")["display_name"] == "Mara Lindner"


def test_revoking_works_through_its_generic_call(generic, token, server):
    body = {"app_id": DEMO_APP_ID, "secret": DEMO_SECRET, "access_token": token}
    assert generic("POST", "oauth2/revoke_token", body)["app_id"] == DEMO_APP_ID
    assert server.sandbox.accounts.token(token) is None
