"""Both published sets of limits are enforced."""

import dataclasses

import pytest

from tiktok_sandbox.limits import PRESETS
from tiktok_sandbox.seed import EU, UK

pytestmark = pytest.mark.thorough

BRAZE, TIKTOK = PRESETS["published_by_braze"], PRESETS["published_by_tiktok"]
SCHEMAS = ("EMAIL_SHA256", "PHONE_SHA256")


def map_people(client_of, person_row, n, audience, schemas=SCHEMAS):
    rows = [
        person_row(audience, *(10 * at + column for column in range(len(schemas))))
        for at in range(n)
    ]
    return client_of.map(rows, schemas).json()["code"]


def test_braze_counts_people(start_server, client_of, person_row):
    mara_client = client_of(start_server(limits=BRAZE))
    audience = mara_client.create()
    assert map_people(mara_client, person_row, 10_001, audience) == 40061
    assert map_people(mara_client, person_row, 10_000, audience) == 0
    assert mara_client.people(audience) == 10_000


def test_tiktok_counts_filled_cells(start_server, client_of, person_row):
    mara_client = client_of(start_server(limits=TIKTOK))
    audience = mara_client.create()
    assert map_people(mara_client, person_row, 501, audience) == 40061
    assert map_people(mara_client, person_row, 500, audience) == 0
    rows = [person_row(audience, n, None) for n in range(1000)]
    assert mara_client.map(rows, SCHEMAS).json()["code"] == 0


@pytest.mark.parametrize("limits", [BRAZE, TIKTOK])
def test_ten_audiences_a_request(start_server, client_of, person_row, limits):
    mara_client = client_of(
        start_server(limits=dataclasses.replace(limits, audience_rate=None, app_rate=None))
    )
    audiences = [mara_client.create(f"audience {n}") for n in range(11)]
    assert mara_client.map([person_row(audiences, 1)]).json()["code"] == 40011
    assert (
        mara_client.map([person_row(audiences[:6], 1), person_row(audiences[5:], 2)]).json()["code"]
        == 40011
    )
    assert mara_client.map([person_row(audiences[:10], 1)]).json()["code"] == 0


def test_the_app_is_throttled(start_server, client_of, clock):
    mara_client = client_of(start_server(limits=dataclasses.replace(BRAZE, app_rate=3)))
    codes = [mara_client.get("user/info").json()["code"] for _ in range(4)]
    assert codes == [0, 0, 0, 40100]
    clock.sleep(1.05)
    answer = mara_client.get("user/info")
    assert (answer.status_code, answer.json()["code"]) == (200, 0)
    assert "Retry-After" not in answer.headers


def test_the_throttle_counts_all_endpoints_and_comes_first(start_server, client_of, clock):
    mara_client = client_of(start_server(limits=dataclasses.replace(BRAZE, app_rate=1)))
    assert mara_client.get("user/info").json()["code"] == 0
    assert (
        mara_client.send("POST", "segment/mapping", token="guess", data=b"{").json()["code"]
        == 40100
    )


def test_the_presets_hold_the_published_limits():
    assert (
        BRAZE.people_per_request,
        BRAZE.ids_per_request,
        BRAZE.app_rate,
        BRAZE.mapping_rate,
    ) == (
        10_000,
        None,
        50,
        None,
    )
    assert (TIKTOK.people_per_request, TIKTOK.ids_per_request, TIKTOK.mapping_rate) == (
        None,
        1_000,
        5_000,
    )


def test_tiktoks_mapping_rate_is_per_ad_account(start_server, client_of, person_row, clock):
    mara_client = client_of(
        start_server(limits=dataclasses.replace(TIKTOK, app_rate=5, mapping_rate=2))
    )
    german, british = mara_client.create(), mara_client.create(advertiser_id=UK)
    codes = [mara_client.map([person_row(german, 1)]).json()["code"] for _ in range(3)]
    assert codes == [0, 0, 40133]
    assert mara_client.map([person_row(british, 1)], advertiser_ids=(UK,)).json()["code"] == 0


@pytest.mark.parametrize("limits", [BRAZE, TIKTOK])
def test_one_new_audience_a_second_and_ad_account(start_server, client_of, limits, clock):
    mara_client = client_of(start_server(limits=limits))
    body = {"custom_audience_name": "winback"}
    assert mara_client.post("segment/audience", advertiser_id=EU, **body).json()["code"] == 0
    answer = mara_client.post("segment/audience", advertiser_id=EU, **body).json()
    assert answer["code"] == 40133
    assert EU in answer["message"]
    assert mara_client.post("segment/audience", advertiser_id=UK, **body).json()["code"] == 0
    clock.sleep(1.05)
    assert mara_client.post("segment/audience", advertiser_id=EU, **body).json()["code"] == 0


def test_no_window_of_a_second_admits_more(start_server):
    windows = start_server().sandbox.windows
    admitted = [at / 100 for at in range(300) if windows.admit("app", rate=50, now=at / 100)]
    assert len(admitted) == 150
    assert all(sum(at - 1 < other <= at for other in admitted) <= 50 for at in admitted)
