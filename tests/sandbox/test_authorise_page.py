"""The authorisation page: its texts, confirm, cancel, and links that it never redirects."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.utils import translation
from django.utils.translation import gettext

from tiktok_sandbox.sandbox import DEMO_APP_ID, DEMO_SECRET
from tiktok_sandbox.seed import JONAS, MARA

BACK = "http://localhost:8000/partners/tiktok/callback/"
ASKED = {"app_id": DEMO_APP_ID, "state": "s & t", "redirect_uri": BACK}


def ask(server, language="en", **change):
    headers = {"Accept-Language": language}
    return requests.get(
        f"{server.url}/portal/auth", params={**ASKED, **change}, headers=headers, timeout=60
    )


def decide(server, **form):
    body = {**ASKED, "user": MARA, "scope": ["1", "3"], **form}
    return requests.post(f"{server.url}/portal/auth", data=body, timeout=60, allow_redirects=False)


def sent_back(answer):
    assert answer.status_code == 302
    return {
        name: values[0]
        for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()
    }


def test_it_shows_app_permissions_and_users(server):
    answer = ask(server, rid="8w8cll1xcbs")
    assert answer.status_code == 200
    for words in (
        "AudienceSync",
        "localhost:8000",
        "Mara Lindner",
        "Jonas Weber",
        "Audience management",
        "Sandbox",
    ):
        assert words in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("en", "en"),
        ("de", "de"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("en-US,de;q=0.5", "en"),
        ("fr", "en"),
        ("fr,de;q=0.1", "de"),
        ("", "en"),
    ],
)
def test_it_is_in_the_language_of_the_browser(server, asked, language):
    answer = ask(server, asked)
    with translation.override(language):
        words = [gettext("Confirm"), gettext("Cancel"), gettext("Permissions")]
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["Content-Language"] == language
    assert all(f">{word}<" in answer.text for word in words)


def test_confirm_redirects_with_code_and_state(server, mara_client):
    back = sent_back(decide(server, confirm="1"))
    assert set(back) == {"auth_code", "code", "state"}
    assert back["state"] == "s & t"
    assert back["code"] != back["auth_code"]
    body = {"app_id": DEMO_APP_ID, "secret": DEMO_SECRET, "auth_code": back["auth_code"]}
    assert mara_client.post("oauth2/access_token", **body).json()["data"]["scope"] == [1, 3]


@pytest.mark.parametrize(("user", "n"), [(MARA, 4), (JONAS, 3)])
def test_the_code_belongs_to_the_chosen_user(server, mara_client, user, n):
    code = sent_back(decide(server, user=user))["auth_code"]
    body = {"app_id": DEMO_APP_ID, "secret": DEMO_SECRET, "auth_code": code}
    assert (
        len(mara_client.post("oauth2/access_token", **body).json()["data"]["advertiser_ids"]) == n
    )


def test_fewer_permissions_may_be_granted(server, mara_client):
    code = sent_back(decide(server, scope=["1"]))["auth_code"]
    body = {"app_id": DEMO_APP_ID, "secret": DEMO_SECRET, "auth_code": code}
    assert mara_client.post("oauth2/access_token", **body).json()["data"]["scope"] == [1]


def test_cancel_redirects_without_a_code(server):
    assert sent_back(decide(server, cancel="1")) == {"state": "s & t", "error": "access_denied"}


def test_the_state_may_be_missing(server):
    assert "state" not in sent_back(decide(server, state=""))


def test_the_query_of_the_address_is_kept(server):
    answer = decide(server, redirect_uri=f"{BACK}?next=%2Fhome%3Fa%3D1")
    assert sent_back(answer)["next"] == "/home?a=1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"app_id": "1"},
        {"app_id": ""},
        {"redirect_uri": ""},
        {"redirect_uri": "/callback/"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "http://"},
        {"redirect_uri": "http://[x/"},
        {"redirect_uri": "http://a.example/\r\nX: y"},
        {"redirect_uri": "https://a.example/#part"},
    ],
)
def test_bad_links_get_a_page_and_no_redirect(server, wrong):
    for answer in (ask(server, **wrong), decide(server, **wrong)):
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "Authorisation not possible" in answer.text


def test_an_unknown_user_gets_no_code(server):
    assert decide(server, user="1").status_code == 400


def test_only_registered_addresses_are_taken(start_server):
    server = start_server(allowed_redirects=("http://localhost:8000/",))
    assert ask(server).status_code == 200
    assert ask(server, redirect_uri="http://localhost:8000.evil.example/").status_code == 400


def test_texts_of_the_link_are_escaped(server):
    answer = ask(server, state='"><b>x', redirect_uri="http://a.example/?<b>")
    assert "<b>" not in answer.text
