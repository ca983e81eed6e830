"""Each endpoint: the request on the wire and the returned value."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import responses

from partners.base import Lookalike, PartnerUser, RemoteAdAccount, Token
from partners.tiktok.client import Client, authorize_url

BASE = "https://tiktok.test/open_api/v1.3/"
SCOPE_ABOVE_2_53 = 7043626160646946818


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> Client:
    return Client("7001", "the-secret", "https://tiktok.test/")


def ok(data: Any) -> dict[str, Any]:
    return {"code": 0, "message": "OK", "request_id": "R1", "data": data, "news": 1}


def sent(wire: responses.RequestsMock, index: int = 0) -> tuple[str | None, dict[str, Any]]:
    """Return the token and the body or the query of a request."""
    request = wire.calls[index].request
    query = {key: value[0] for key, value in parse_qs(urlsplit(str(request.url)).query).items()}
    return request.headers.get("Access-Token"), json.loads(request.body) if request.body else query


def test_authorize_url_carries_three_escaped_parameters() -> None:
    url = authorize_url(
        "https://a.test/portal/auth",
        app_id="1",
        state="s&t",
        redirect_uri="https://us.test/back/?x=1",
    )
    assert parse_qs(urlsplit(url).query) == {
        "app_id": ["1"],
        "state": ["s&t"],
        "redirect_uri": ["https://us.test/back/?x=1"],
    }


def test_exchange(wire: responses.RequestsMock, client: Client) -> None:
    data = {"access_token": "tok", "advertiser_ids": [12, "13"], "scope": [1, 3, SCOPE_ABOVE_2_53]}
    wire.post(BASE + "oauth2/access_token/", json=ok(data))
    assert client.exchange("auth") == Token("tok", ("1", "3", str(SCOPE_ABOVE_2_53)))
    assert sent(wire) == (None, {"app_id": "7001", "secret": "the-secret", "auth_code": "auth"})
    assert wire.calls[0].request.headers["Content-Type"] == "application/json"


def test_revoke(wire: responses.RequestsMock, client: Client) -> None:
    wire.post(BASE + "oauth2/revoke_token/", json=ok({}))
    client.revoke("tok")
    assert sent(wire) == ("tok", {"app_id": "7001", "secret": "the-secret", "access_token": "tok"})


def test_advertisers(wire: responses.RequestsMock, client: Client) -> None:
    data = {"list": [{"advertiser_id": 12, "advertiser_name": "Shop"}]}
    wire.get(BASE + "oauth2/advertiser/get/", json=ok(data))
    assert client.advertisers("tok") == [RemoteAdAccount("12", "Shop")]
    assert sent(wire) == ("tok", {"app_id": "7001", "secret": "the-secret"})


def test_advertiser_info_is_requested_for_100_at_a_time(
    wire: responses.RequestsMock, client: Client
) -> None:
    item = {
        "advertiser_id": "12",
        "name": "Shop",
        "currency": "EUR",
        "timezone": "Etc/GMT-1",
        "status": "STATUS_ENABLE",
    }
    stopped = {
        "advertiser_id": "13",
        "name": None,
        "status": "STATUS_DISABLE",
        "display_timezone": "Europe/Berlin",
    }
    wire.get(BASE + "advertiser/info/", json=ok({"list": [item]}))
    wire.get(BASE + "advertiser/info/", json=ok({"list": [stopped]}))
    assert client.advertiser_info("tok", [str(n) for n in range(150)]) == [
        RemoteAdAccount("12", "Shop", "EUR", "Etc/GMT-1", "STATUS_ENABLE", is_usable=True),
        RemoteAdAccount("13", "", "", "Europe/Berlin", "STATUS_DISABLE", is_usable=False),
    ]
    token, query = sent(wire)
    assert token == "tok"
    assert json.loads(query["advertiser_ids"]) == [str(n) for n in range(100)]
    assert json.loads(sent(wire, 1)[1]["advertiser_ids"]) == [str(n) for n in range(100, 150)]
    assert "balance" not in query["fields"]


def test_user_info(wire: responses.RequestsMock, client: Client) -> None:
    data = {"core_user_id": 5, "display_name": "Alice", "email": "a***@e***.org", "avatar_url": "x"}
    wire.get(BASE + "user/info/", json=ok(data))
    assert client.user_info("tok") == PartnerUser("5", "Alice", "a***@e***.org")
    assert sent(wire) == ("tok", {})


@pytest.mark.parametrize("audience_id", [100008357, "100008357"])
def test_create_audience(wire: responses.RequestsMock, client: Client, audience_id: object) -> None:
    wire.post(BASE + "segment/audience/", json=ok({"audience_id": audience_id}))
    assert client.create_audience("tok", "12", "Käufer") == "100008357"
    assert sent(wire) == (
        "tok",
        {"advertiser_id": "12", "action": "create", "custom_audience_name": "Käufer"},
    )


def test_create_lookalike(wire: responses.RequestsMock, client: Client) -> None:
    wire.post(BASE + "dmp/custom_audience/lookalike/create/", json=ok({"custom_audience_id": "77"}))
    assert client.create_lookalike("tok", "12", "9", Lookalike("Like", "DE", "NARROW")) == "77"
    token, body = sent(wire)
    assert (token, body["custom_audience_name"]) == ("tok", "Like")
    assert body["lookalike_spec"] == {
        "source_audience_id": "9",
        "include_source": False,
        "mobile_os": "ALL",
        "placements": ["TikTok"],
        "location_ids": ["DE"],
        "audience_size": "NARROW",
    }


def test_delete_audience(wire: responses.RequestsMock, client: Client) -> None:
    wire.post(BASE + "segment/audience/", json=ok({}))
    client.delete_audience("tok", "12", "9")
    assert sent(wire) == (
        "tok",
        {"advertiser_id": "12", "action": "delete", "delete_audience_id": "9"},
    )


def test_delete_other_audience(wire: responses.RequestsMock, client: Client) -> None:
    wire.post(BASE + "dmp/custom_audience/delete/", json=ok({}))
    client.delete_other_audience("tok", "12", "9")
    assert sent(wire) == ("tok", {"advertiser_id": "12", "custom_audience_ids": ["9"]})


def test_push_sends_the_body_unchanged(wire: responses.RequestsMock, client: Client) -> None:
    wire.post(BASE + "segment/mapping/", json=ok({}))
    assert client.push("tok", b'{"ready": "made"}').request_id == "R1"
    assert sent(wire) == ("tok", {"ready": "made"})


def page(ids: range, total: int | None) -> dict[str, Any]:
    info = {} if total is None else {"page_info": {"total_page": total}}
    return ok(
        {"list": [{"audience_id": n, "name": "A", "audience_type": "Partner"} for n in ids]} | info
    )


def test_list_audiences_reads_all_pages_without_duplicates(
    wire: responses.RequestsMock, client: Client
) -> None:
    for ids in (range(100), range(99, 199), range(199, 201)):
        wire.get(BASE + "dmp/custom_audience/list/", json=page(ids, 3))
    assert [audience.id for audience in client.list_audiences("tok", "12")] == [
        str(n) for n in range(201)
    ]
    assert sent(wire, 2) == ("tok", {"advertiser_id": "12", "page": "3", "page_size": "100"})


def test_list_audiences_without_page_info_ends_at_a_short_page(
    wire: responses.RequestsMock, client: Client
) -> None:
    wire.get(BASE + "dmp/custom_audience/list/", json=page(range(100), None))
    wire.get(BASE + "dmp/custom_audience/list/", json=page(range(100, 110), None))
    assert len(client.list_audiences("tok", "12")) == 110


def test_list_audiences_reads_50_pages_at_most(
    wire: responses.RequestsMock, client: Client
) -> None:
    wire.get(BASE + "dmp/custom_audience/list/", json=page(range(100), 10**9))
    assert len(client.list_audiences("tok", "12")) == 100
    assert len(wire.calls) == 50


def test_list_audiences_of_an_empty_ad_account(
    wire: responses.RequestsMock, client: Client
) -> None:
    wire.get(BASE + "dmp/custom_audience/list/", json=page(range(0), 0))
    assert client.list_audiences("tok", "12") == []


def test_get_audiences_asks_for_100_at_a_time(wire: responses.RequestsMock, client: Client) -> None:
    details = {
        "audience_id": "9",
        "name": "A",
        "type": "Partner",
        "cover_num": 1200,
        "is_valid": True,
    }
    for _ in range(2):
        wire.get(
            BASE + "dmp/custom_audience/get/", json=ok({"list": [{"audience_details": details}]})
        )
    audiences = client.get_audiences("tok", "12", [str(n) for n in range(101)])
    assert [
        (audience.id, audience.size, audience.is_valid, audience.is_appendable)
        for audience in audiences
    ] == [("9", 1200, True, True)] * 2
    assert json.loads(sent(wire, 1)[1]["custom_audience_ids"]) == ["100"]
