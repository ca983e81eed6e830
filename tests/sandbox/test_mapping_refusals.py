"""A bad mapping request is refused as a whole, and the field is named."""

import pytest

from tiktok_sandbox.seed import EU, FIRST_AUDIENCE, JONAS, UK, US

EMAIL, PHONE = "EMAIL_SHA256", "PHONE_SHA256"
LOOKALIKE, CUSTOMER_FILE = str(FIRST_AUDIENCE + 2), str(FIRST_AUDIENCE + 1)


@pytest.fixture
def audience(mara_client):
    return mara_client.create()


def refused(client_of, audience, rows, schemas=(EMAIL,), **more):
    answer = client_of.map(rows, schemas, **more).json()
    assert client_of.people(audience) == 0
    return answer["code"], answer["message"]


def body(audience, hash_of, **change):
    cells = [[{"id": hash_of(1), "audience_ids": [audience]}]]
    return {
        "advertiser_ids": [EU],
        "action": "add",
        "id_schema": [EMAIL],
        "batch_data": cells,
        **change,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("advertiser_ids", None),
        ("advertiser_ids", []),
        ("advertiser_ids", "7012345678901234567"),
        ("advertiser_ids", ["x"]),
        ("action", "replace"),
        ("id_schema", None),
        ("id_schema", []),
        ("id_schema", "EMAIL_SHA256"),
        ("id_schema", ["EXTERNAL_ID"]),
        ("id_schema", [5]),
        ("batch_data", None),
        ("batch_data", []),
        ("batch_data", {"id": 1}),
    ],
)
def test_bad_fields_are_named(mara_client, audience, hash_of, name, value):
    answer = mara_client.post("segment/mapping", **body(audience, hash_of, **{name: value})).json()
    assert answer["code"] == 40002
    assert name in answer["message"]
    assert mara_client.post("segment/mapping", **body(audience, hash_of)).json()["code"] == 0


def test_a_schema_may_not_repeat(mara_client, audience, person_row):
    code, message = refused(
        mara_client, audience, [person_row(audience, 1, 2)], (EMAIL, "email_sha256")
    )
    assert (code, "id_schema" in message) == (40002, True)


@pytest.mark.parametrize(
    "value",
    [
        "jane@example.com",
        "ab" * 16,
        "",
        "g" * 64,
        " " + "a" * 63,
        "a" * 62 + "  ",
        "a" * 65,
        "ä" * 64,
    ],
)
def test_a_value_other_than_a_hash_is_refused(mara_client, audience, person_row, value):
    bad = [{"id": value, "audience_ids": [audience]}]
    code, message = refused(mara_client, audience, [person_row(audience, 1), bad])
    assert code == (40062 if value else 40002)
    assert "batch_data[1][0].id" in message


@pytest.mark.parametrize(
    ("cell", "place"),
    [
        (None, "batch_data[0][0]"),
        ("text", "batch_data[0][0]"),
        ([], "batch_data[0][0]"),
        ({"id": "a" * 64}, "audience_ids"),
        ({"id": "a" * 64, "audience_ids": []}, "audience_ids"),
        ({"id": "a" * 64, "audience_ids": "7112345678901234567"}, "audience_ids"),
        ({"id": "a" * 64, "audience_ids": [7112345678901234567]}, "audience_ids"),
        ({"id": "a" * 64, "audience_ids": [["1"]]}, "audience_ids"),
        ({"id": 5, "audience_ids": ["7112345678901234567"]}, ".id"),
        ({"audience_ids": ["7112345678901234567"]}, ".id"),
        ({}, "batch_data[0]: holds no id"),
    ],
)
def test_bad_cells_are_named(mara_client, audience, person_row, cell, place):
    code, message = refused(mara_client, audience, [[cell], person_row(audience, 1)])
    assert code == 40002
    assert place in message


@pytest.mark.parametrize("empty", [None, "", [], 0])
def test_only_an_empty_object_is_an_empty_cell(mara_client, audience, person_row, empty):
    code, message = refused(
        mara_client, audience, [[*person_row(audience, 1), empty]], (EMAIL, PHONE)
    )
    assert (code, "batch_data[0][1]" in message) == (40002, True)


def test_a_short_hash_beside_a_long_one_is_refused(mara_client, audience):
    rows = [[{"id": "a" * length, "audience_ids": [audience]}] for length in (66, 62)]
    assert refused(mara_client, audience, rows)[0] == 40062


@pytest.mark.parametrize("bad", [[], None, "text", [{}, {}, {}]])
def test_rows_have_a_cell_per_schema(mara_client, audience, person_row, bad):
    code, message = refused(
        mara_client, audience, [person_row(audience, 1, 2), bad], (EMAIL, PHONE)
    )
    assert (code, "batch_data[1]" in message) == (40002, True)


def test_an_unknown_audience_is_refused(mara_client, audience, person_row):
    assert (
        refused(mara_client, audience, [person_row([audience, "7999999999999999999"], 1)])[0]
        == 40007
    )


def test_a_deleted_audience_is_refused(mara_client, audience, person_row):
    other = mara_client.create("other")
    mara_client.sandbox.audiences.delete(other)
    assert refused(mara_client, audience, [person_row([audience, other], 1)])[0] == 40007


def test_an_audience_must_belong_to_a_named_ad_account(mara_client, audience, person_row):
    assert (
        refused(mara_client, audience, [person_row(audience, 1)], advertiser_ids=(UK,))[0] == 40007
    )


def test_a_foreign_ad_account_is_refused(client_of, server, mara_client, audience, person_row):
    jonas = client_of(server, JONAS)
    assert refused(jonas, audience, [person_row(audience, 1)], advertiser_ids=(EU, US))[0] == 40001
    assert jonas.map([person_row(audience, 1)]).json()["code"] == 0


@pytest.mark.parametrize("kind", [LOOKALIKE, CUSTOMER_FILE])
def test_only_partner_audiences_take_people(mara_client, person_row, kind):
    assert refused(mara_client, kind, [person_row(kind, 1)])[0] == 40002
