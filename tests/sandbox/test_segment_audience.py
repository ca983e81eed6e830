"""Creating and deleting streaming audiences."""

import pytest

from tiktok_sandbox.seed import EU, FIRST_AUDIENCE, UK

CUSTOMER_FILE = str(FIRST_AUDIENCE + 1)


def listed(client_of, audience_id, advertiser_id=EU):
    answer = client_of.get(
        "dmp/custom_audience/list",
        advertiser_id=advertiser_id,
        custom_audience_ids=f'["{audience_id}"]',
    )
    return answer.json()["data"]["list"]


def test_a_new_audience_is_an_empty_partner_audience(mara_client):
    audience = listed(mara_client, mara_client.create("winback"))[0]
    assert (audience["name"], audience["audience_type"]) == ("winback", "Partner")
    assert (audience["cover_num"], audience["is_valid"], audience["calculate_type"]) == (
        0,
        False,
        "MULTIPLE_TYPES",
    )


def test_create_is_the_default_and_has_a_name_too(mara_client):
    answer = mara_client.post(
        "segment/audience", advertiser_id=EU, action="create", custom_audience_name="a"
    ).json()
    assert answer["code"] == 0
    assert answer["data"]["audience_id"].isdigit()


def test_names_need_not_be_unique(mara_client):
    assert mara_client.create("twice") != mara_client.create("twice")


@pytest.mark.parametrize(("length", "shown"), [(70, "x" * 70), (71, "x" * 67 + "...")])
def test_a_long_name_is_cut(mara_client, length, shown):
    assert listed(mara_client, mara_client.create("x" * length))[0]["name"] == shown


def test_names_of_all_scripts_survive(mara_client):
    assert (
        listed(mara_client, mara_client.create("Rückkehr 🎉 عودة"))[0]["name"] == "Rückkehr 🎉 عودة"
    )


@pytest.mark.parametrize(
    "wrong", [{"custom_audience_name": ""}, {"custom_audience_name": 5}, {"action": "rename"}]
)
def test_invalid_requests_are_refused(mara_client, wrong):
    body = {"advertiser_id": EU, "custom_audience_name": "x", **wrong}
    assert mara_client.post("segment/audience", **body).json()["code"] == 40002


def test_a_deleted_audience_is_gone(mara_client):
    audience = mara_client.create()
    body = {"advertiser_id": EU, "action": "delete", "delete_audience_id": audience}
    assert mara_client.post("segment/audience", **body).json()["code"] == 0
    assert listed(mara_client, audience) == []
    assert mara_client.post("segment/audience", **body).json()["code"] == 40007


def test_an_id_is_never_used_again(mara_client):
    audience = mara_client.create()
    mara_client.post(
        "segment/audience", advertiser_id=EU, action="delete", delete_audience_id=audience
    )
    assert mara_client.create() != audience


def test_an_audience_of_another_ad_account_cannot_be_deleted(mara_client):
    audience = mara_client.create()
    body = {"advertiser_id": UK, "action": "delete", "delete_audience_id": audience}
    assert mara_client.post("segment/audience", **body).json()["code"] == 40007
    assert listed(mara_client, audience)


def test_other_kinds_cannot_be_deleted_here(mara_client):
    body = {"advertiser_id": EU, "action": "delete", "delete_audience_id": CUSTOMER_FILE}
    assert mara_client.post("segment/audience", **body).json()["code"] == 40002
    assert listed(mara_client, CUSTOMER_FILE)


def test_an_ad_account_holds_400_audiences(mara_client):
    for n in range(395):
        mara_client.sandbox.audiences.create(EU, f"audience {n}")
    body = {"advertiser_id": EU, "custom_audience_name": "one too many"}
    answer = mara_client.post("segment/audience", **body).json()
    assert answer["code"] == 40002
    assert "400 audiences" in answer["message"]
    mara_client.post(
        "segment/audience",
        advertiser_id=EU,
        action="delete",
        delete_audience_id=str(FIRST_AUDIENCE),
    )
    assert mara_client.post("segment/audience", **body).json()["code"] == 0
