"""TikTok as a partner: permissions, ad accounts, appendable audiences."""

from typing import Any

import pytest
import responses
import time_machine

from partners import registry
from partners.base import RemoteAdAccount, Token

BASE = "https://tiktok.test/open_api/v1.3/"
NOW = "2026-11-23T16:00:00Z"


@pytest.fixture(autouse=True)
def _tiktok(settings: Any) -> None:
    settings.TIKTOK_API_URL = "https://tiktok.test"
    settings.TIKTOK_AUTH_URL = "https://tiktok.test/portal/auth"
    settings.TIKTOK_APP_ID = "7001"


def test_the_partner_is_found_by_its_key() -> None:
    assert registry.get("tiktok").label == "TikTok"
    with pytest.raises(KeyError):
        registry.get("facebook")


def test_authorize_url_comes_from_the_settings() -> None:
    url = registry.get("tiktok").authorize_url(state="s", redirect_uri="https://us.test/")
    sent = "app_id=7001&state=s&redirect_uri=https%3A%2F%2Fus.test%2F"
    assert url == f"https://tiktok.test/portal/auth?{sent}"


@pytest.mark.parametrize(
    ("scopes", "lacks"),
    [
        ((1, 3), False),
        ((10, 3), False),
        ((100, 30, 31), False),
        ((1, 3, 7043626160646946818), False),
        ((1, 30), True),
        ((1, 31), True),
        ((3,), True),
        ((), True),
    ],
)
def test_permissions(scopes: tuple[int, ...], *, lacks: bool) -> None:
    assert (
        bool(registry.get("tiktok").missing_permissions(Token("t", tuple(map(str, scopes)))))
        is lacks
    )


@responses.activate
def test_ad_accounts_keep_their_order_with_and_without_details() -> None:
    listed = [
        {"advertiser_id": "2", "advertiser_name": "Two"},
        {"advertiser_id": "1", "advertiser_name": "One"},
    ]
    details = [{"advertiser_id": "1", "name": "One", "currency": "EUR", "status": "STATUS_ENABLE"}]
    responses.get(BASE + "oauth2/advertiser/get/", json={"code": 0, "data": {"list": listed}})
    responses.get(BASE + "advertiser/info/", json={"code": 0, "data": {"list": details}})
    assert registry.get("tiktok").ad_accounts("t") == [
        RemoteAdAccount("2", "Two"),
        RemoteAdAccount("1", "One", "EUR", "", "STATUS_ENABLE"),
    ]


@responses.activate
@time_machine.travel(NOW)
@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, ""),
        ({"is_valid": False}, ""),
        ({"shared": True, "is_creator": True}, ""),
        ({"expired_time": None}, ""),
        ({"expired_time": "2026-11-23 16:00:01"}, ""),
        ({"audience_type": "Customer File Audience"}, "created through the API"),
        ({"audience_type": "Lookalike Audience"}, "created through the API"),
        ({"shared": True, "is_creator": False}, "owner"),
        ({"expired_time": "2026-11-23 16:00:00"}, "expired"),
    ],
)
def test_an_audience_is_appendable_or_has_a_reason(changes: dict[str, Any], word: str) -> None:
    item = {
        "audience_id": "9",
        "name": "Buyers",
        "audience_type": "Partner",
        "cover_num": 0,
        "is_valid": True,
        "is_expiring": False,
        "shared": False,
        "is_creator": True,
        "expired_time": "2027-11-23 16:00:00",
    } | changes
    envelope = {"code": 0, "data": {"list": [item], "page_info": {"total_page": 1}}}
    responses.get(BASE + "dmp/custom_audience/list/", json=envelope)
    (audience,) = registry.get("tiktok").list_audiences("t", "1")
    assert audience.is_appendable is (word == "")
    assert word in str(audience.why_not)
    assert bool(audience.why_not) is (word != "")


def test_presets_hold_the_published_limits() -> None:
    presets = registry.get("tiktok").presets
    braze, tiktok = presets["published_by_braze"], presets["published_by_tiktok"]
    assert (braze.people_per_request, braze.ids_per_request, braze.requests_per_second) == (
        10_000,
        None,
        50,
    )
    assert (tiktok.people_per_request, tiktok.ids_per_request, tiktok.requests_per_second) == (
        None,
        1_000,
        5_000,
    )
    assert (braze.per, tiktok.per) == ("app", "ad_account")
