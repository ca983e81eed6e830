"""The audience library: list with paging, get with history, delete, lookalike."""

import pytest

from tiktok_sandbox.seed import EU, FIRST_AUDIENCE, UK

READERS, CUSTOMER_FILE, LOOKALIKE = (str(FIRST_AUDIENCE + n) for n in range(3))
SPEC = {
    "source_audience_id": READERS,
    "include_source": True,
    "mobile_os": "ALL",
    "placements": ["TikTok"],
    "location_ids": ["DE", "AT"],
    "audience_size": "NARROW",
}


def page(client_of, **query):
    return client_of.get("dmp/custom_audience/list", advertiser_id=EU, **query).json()


def test_pages_hold_every_audience_once(mara_client):
    for n in range(18):
        mara_client.create(f"audience {n}")
    pages = [page(mara_client, page=n, page_size=10)["data"] for n in (1, 2, 3, 4)]
    assert [len(one["list"]) for one in pages] == [10, 10, 3, 0]
    assert len({audience["audience_id"] for one in pages for audience in one["list"]}) == 23
    assert pages[0]["page_info"] == {
        "page": 1,
        "page_size": 10,
        "total_number": 23,
        "total_page": 3,
    }


def test_ten_a_page_is_the_default(mara_client):
    for n in range(9):
        mara_client.create(f"audience {n}")
    assert len(page(mara_client)["data"]["list"]) == 10


@pytest.mark.parametrize(
    "wrong", [{"page": 0}, {"page": "x"}, {"page_size": 101}, {"custom_audience_ids": "[1]"}]
)
def test_bad_pages_are_refused(mara_client, wrong):
    assert page(mara_client, **wrong)["code"] == 40002


def test_there_are_audiences_of_several_kinds(mara_client):
    kinds = {audience["audience_type"] for audience in page(mara_client)["data"]["list"]}
    assert {"Partner", "Customer File Audience", "Lookalike Audience", "Website Audience"} <= kinds


def test_a_size_follows_its_members(mara_client, person_row):
    audience = mara_client.create()
    mara_client.map([person_row(audience, n) for n in range(1_000)])
    listed = page(mara_client, custom_audience_ids=f'["{audience}"]')["data"]["list"][0]
    assert (listed["cover_num"], listed["is_valid"]) == (1_000, True)


def test_a_size_may_be_delayed(start_server, client_of, person_row):
    mara_client = client_of(start_server(size_delay=60))
    audience = mara_client.create()
    mara_client.map([person_row(audience, 1)])
    assert (
        page(mara_client, custom_audience_ids=f'["{audience}"]')["data"]["list"][0]["cover_num"]
        == 0
    )
    mara_client.sandbox.audiences.size_delay = 0.001
    assert (
        page(mara_client, custom_audience_ids=f'["{audience}"]')["data"]["list"][0]["cover_num"]
        == 1
    )


def test_get_returns_the_history_newest_first(mara_client, person_row):
    audience = mara_client.create()
    mara_client.map([person_row(audience, n) for n in range(3)])
    mara_client.map([person_row(audience, 1)], action="delete")
    query = {"advertiser_id": EU, "custom_audience_ids": f'["{audience}"]'}
    got = mara_client.get("dmp/custom_audience/get", **query).json()["data"]["list"][0]
    assert got["audience_details"]["type"] == "Partner"
    actions = [(entry["action"], entry["action_detail"]) for entry in got["audience_history"]]
    assert actions == [("upload remove", "1"), ("upload - add", "3"), ("create", "0")]
    shorter = mara_client.get("dmp/custom_audience/get", **query, history_size=1).json()["data"][
        "list"
    ][0]
    assert len(shorter["audience_history"]) == 1


def test_get_leaves_out_unknown_ids(mara_client):
    ids = f'["{READERS}", "7999999999999999999"]'
    assert (
        len(
            mara_client.get(
                "dmp/custom_audience/get", advertiser_id=EU, custom_audience_ids=ids
            ).json()["data"]["list"]
        )
        == 1
    )
    assert (
        mara_client.get(
            "dmp/custom_audience/get", advertiser_id=UK, custom_audience_ids=ids
        ).json()["data"]["list"]
        == []
    )


def test_delete_is_all_or_nothing(mara_client):
    body = {"advertiser_id": EU, "custom_audience_ids": [READERS, "7999999999999999999"]}
    assert mara_client.post("dmp/custom_audience/delete", **body).json()["code"] == 40007
    assert mara_client.sandbox.audiences.get(READERS)
    body["custom_audience_ids"] = [READERS, CUSTOMER_FILE]
    assert mara_client.post("dmp/custom_audience/delete", **body).json()["code"] == 0
    assert page(mara_client)["data"]["page_info"]["total_number"] == 3


def lookalike(client_of, **change):
    body = {
        "advertiser_id": EU,
        "custom_audience_name": "Similar",
        "lookalike_spec": {**SPEC, **change},
    }
    return client_of.post("dmp/custom_audience/lookalike/create", **body).json()


def test_a_lookalike_keeps_its_spec(mara_client):
    audience = lookalike(mara_client)["data"]["custom_audience_id"]
    query = {"advertiser_id": EU, "custom_audience_ids": f'["{audience}"]'}
    details = mara_client.get("dmp/custom_audience/get", **query).json()["data"]["list"][0][
        "audience_details"
    ]
    assert details["type"] == "Lookalike Audience"
    assert details["lookalike_spec"] == [SPEC]


@pytest.mark.parametrize(
    "wrong",
    [
        {"source_audience_id": LOOKALIKE},
        {"source_audience_id": "x"},
        {"include_source": "yes"},
        {"mobile_os": "WINDOWS"},
        {"placements": []},
        {"placements": ["Moon"]},
        {"location_ids": []},
        {"audience_size": "HUGE"},
    ],
)
def test_bad_lookalikes_are_refused(mara_client, wrong):
    assert lookalike(mara_client, **wrong)["code"] == 40002


def test_a_lookalike_needs_a_source_of_a_hundred(mara_client, person_row):
    audience = mara_client.create()
    mara_client.map([person_row(audience, n) for n in range(99)])
    assert lookalike(mara_client, source_audience_id=audience)["code"] == 40002
    mara_client.map([person_row(audience, 99)])
    assert lookalike(mara_client, source_audience_id=audience)["code"] == 0


def test_an_unknown_source_is_refused(mara_client):
    assert lookalike(mara_client, source_audience_id="7999999999999999999")["code"] == 40007
