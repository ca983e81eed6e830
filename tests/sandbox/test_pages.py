"""The Ads Manager and the control page."""

import pytest
import requests

from tiktok_sandbox.seed import EU, FIRST_AUDIENCE


def read(server, path, language="en"):
    answer = requests.get(f"{server.url}{path}", headers={"Accept-Language": language}, timeout=60)
    assert answer.status_code == 200
    return answer.text


def press(server, **form):
    return requests.post(f"{server.url}/control/", data=form, timeout=60, allow_redirects=False)


@pytest.mark.parametrize("path", ["/", "/ads-manager/"])
def test_every_audience_is_shown(server, mara_client, path):
    audience = mara_client.create("Rückkehr <b>")
    text = read(server, path)
    for words in (
        "Acme EU",
        "Acme UK",
        "Acme US Brand",
        "Acme Outlet",
        "STATUS_LIMIT",
        audience,
        "Rückkehr &lt;b&gt;",
    ):
        assert words in text


@pytest.mark.parametrize(("language", "size"), [("en", "1,234"), ("de", "1.234")])
def test_sizes_are_exact_and_localised_but_ids_are_not(
    server, mara_client, person_row, language, size
):
    audience = mara_client.create()
    mara_client.map([person_row(audience, n) for n in range(1_234)])
    text = read(server, "/ads-manager/", language)
    assert f"<strong>{size}</strong>" in text
    assert f"<code>{audience}</code>" in text
    assert f'<html lang="{language}">' in text


def test_it_reloads_unless_switched_off(server):
    assert 'http-equiv="refresh" content="5"' in read(server, "/ads-manager/")
    assert "http-equiv" not in read(server, "/ads-manager/?refresh=off")


def test_the_style_is_served(server):
    answer = requests.get(f"{server.url}/sandbox/sandbox.css", timeout=60)
    assert answer.headers["Content-Type"].startswith("text/css")


@pytest.mark.parametrize(
    "path", ["/no/such/page/", "/sandbox/api/", "/../etc/passwd", "/sandbox/../server.py"]
)
def test_unknown_pages_are_404(server, path):
    assert requests.get(f"{server.url}{path}", timeout=60).status_code == 404


def test_pages_take_no_other_method(server):
    answer = requests.put(f"{server.url}/control/", timeout=60)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_head_has_no_body(server):
    with requests.Session() as session:
        assert session.head(f"{server.url}/control/", timeout=60).content == b""
        assert session.get(f"{server.url}/sandbox/healthz", timeout=60).json()["status"] == "ok"


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_control_page_offers_all_kinds(server, language):
    text = read(server, "/control/", language)
    kinds = (
        "throttle",
        "apply_then_drop",
        "poison",
        "partial",
        "revoke_token",
        "drop_account",
        "delete_audience",
    )
    assert all(f'value="{kind}"' in text for kind in kinds)


def test_a_fault_is_set_and_cleared_with_the_form(server, mara_client):
    empty = {"code": "", "seconds": "", "rows": "", "hash": "", "status": "", "for_seconds": ""}
    assert (
        press(
            server, kind="throttle", count="1", endpoint="user/info", advertiser_id="", **empty
        ).status_code
        == 303
    )
    assert "throttle" in read(server, "/control/")
    assert "fault is switched on" in read(server, "/ads-manager/")
    assert mara_client.get("user/info").json()["code"] == 40100
    press(server, kind="code", code="50000")
    press(server, do="clear")
    assert mara_client.get("user/info").json()["code"] == 0


def test_a_partial_success_takes_rows_from_the_form(server, mara_client, person_row):
    press(server, kind="partial", rows="0, 2", named="on")
    answer = mara_client.map([person_row(str(FIRST_AUDIENCE), n) for n in range(3)]).json()
    assert answer["data"] == {"failed_rows": [0, 2]}


def test_an_act_is_done_with_the_form(server, mara_client):
    assert press(server, kind="delete_audience", audience_id=str(FIRST_AUDIENCE)).status_code == 303
    assert mara_client.sandbox.audiences.get(str(FIRST_AUDIENCE)) is None


def test_an_invalid_fault_is_explained_on_the_page(server):
    answer = press(server, kind="poison", hash="<b>abc")
    assert answer.status_code == 400
    assert "64 hexadecimal characters" in answer.text
    assert server.sandbox.faults.list() == []


def test_reset_with_the_form(server, mara_client):
    mara_client.create()
    press(server, do="reset")
    assert server.sandbox.audiences.count(EU) == 5


def test_the_latest_requests_are_shown(server, mara_client):
    mara_client.get("user/info")
    assert "user/info</code>" in read(server, "/control/")
