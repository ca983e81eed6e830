"""Adding and removing people: the members after each request."""

import pytest

from tiktok_sandbox.seed import EU, UK

EMAIL, PHONE, IDFA = "EMAIL_SHA256", "PHONE_SHA256", "IDFA_SHA256"


@pytest.fixture
def audience(mara_client):
    return mara_client.create()


def ids(client_of, audience):
    return client_of.sandbox.audiences.members(audience).ids


def test_people_are_added(mara_client, audience, person_row, hash_of):
    answer = mara_client.map([person_row(audience, 1), person_row(audience, 2)]).json()
    assert (answer["code"], answer["data"]) == (0, {})
    assert sorted(mara_client.sandbox.audiences.member_ids(audience)) == sorted(
        [(EMAIL, hash_of(1)), (EMAIL, hash_of(2))]
    )


def test_adding_twice_is_adding_once(mara_client, audience, person_row):
    for _ in range(2):
        mara_client.map([person_row(audience, 1), person_row(audience, 2), person_row(audience, 1)])
    assert mara_client.people(audience) == 2


def test_a_person_with_several_ids_is_one(mara_client, audience, person_row):
    mara_client.map(
        [person_row(audience, 1, 2, 3), person_row(audience, 4, None, 5)], (EMAIL, PHONE, IDFA)
    )
    assert mara_client.people(audience) == 2
    assert ids(mara_client, audience) == {EMAIL: 2, PHONE: 1, IDFA: 2}


def test_columns_may_come_in_any_order_and_case(mara_client, audience, person_row, hash_of):
    mara_client.map([person_row(audience, 2, 1)], ("phone_sha256", "email_sha256"))
    assert set(mara_client.sandbox.audiences.member_ids(audience)) == {
        (EMAIL, hash_of(1)),
        (PHONE, hash_of(2)),
    }


def test_people_are_removed(mara_client, audience, person_row):
    mara_client.map([person_row(audience, n) for n in range(5)])
    assert (
        mara_client.map([person_row(audience, 1), person_row(audience, 9)], action="delete").json()[
            "code"
        ]
        == 0
    )
    assert mara_client.people(audience) == 4


def test_a_person_without_ids_is_removed(mara_client, audience, person_row):
    mara_client.map([person_row(audience, 1, 2)], (EMAIL, PHONE))
    mara_client.map([person_row(audience, 1)], (EMAIL,), action="delete")
    assert mara_client.people(audience) == 1
    mara_client.map([person_row(audience, 2)], (PHONE,), action="delete")
    assert mara_client.people(audience) == 0


@pytest.mark.parametrize("fewer_first", [True, False])
def test_the_same_person_by_fewer_ids_is_still_one(mara_client, audience, person_row, fewer_first):
    requests = [
        ([person_row(audience, 2)], (PHONE,)),
        ([person_row(audience, 1, 2)], (EMAIL, PHONE)),
    ]
    for rows, schemas in requests if fewer_first else reversed(requests):
        mara_client.map(rows, schemas)
    assert mara_client.people(audience) == 1


def test_a_known_phone_identifies_the_person_of_its_e_mail(mara_client, audience, person_row):
    mara_client.map([person_row(audience, 1, 2, None)], (EMAIL, PHONE, IDFA))
    mara_client.map([person_row(audience, None, 2, 3)], (EMAIL, PHONE, IDFA))
    assert mara_client.people(audience) == 1


def test_two_people_who_share_a_phone_are_two(mara_client, audience, person_row):
    mara_client.map([person_row(audience, 1, 9), person_row(audience, 2, 9)], (EMAIL, PHONE))
    assert mara_client.people(audience) == 2
    assert ids(mara_client, audience) == {EMAIL: 2, PHONE: 1}


def test_upper_case_hashes_are_the_same(mara_client, audience, person_row, hash_of):
    mara_client.map([person_row(audience, 1)])
    mara_client.map([[{"id": hash_of(1).upper(), "audience_ids": [audience]}]], action="delete")
    assert mara_client.people(audience) == 0


def test_md5_is_for_device_ids_only(mara_client, audience):
    mara_client.map([[{"id": "ab" * 16, "audience_ids": [audience]}]], ("IDFA_MD5",))
    assert mara_client.sandbox.audiences.member_ids(audience) == [("IDFA_MD5", "ab" * 16)]


def test_several_audiences_in_one_request(mara_client, audience, person_row):
    other = mara_client.create("other")
    mara_client.map([person_row([audience, other], 1), person_row([audience, other], 2)])
    assert (mara_client.people(audience), mara_client.people(other)) == (2, 2)


def test_every_cell_names_its_own_audiences(mara_client, audience, person_row, hash_of):
    other = mara_client.create("other")
    mixed = [*person_row(audience, 3), *person_row(other, 4)]
    mara_client.map(
        [person_row(audience, 1, None), person_row([audience, other], 2, None), mixed],
        (EMAIL, PHONE),
    )
    assert set(mara_client.sandbox.audiences.member_ids(audience)) == {
        (EMAIL, hash_of(n)) for n in (1, 2, 3)
    }
    assert set(mara_client.sandbox.audiences.member_ids(other)) == {
        (EMAIL, hash_of(2)),
        (PHONE, hash_of(4)),
    }
    assert (mara_client.people(audience), mara_client.people(other)) == (3, 2)


def test_audiences_of_several_ad_accounts(mara_client, audience, person_row):
    british = mara_client.create(advertiser_id=UK)
    assert (
        mara_client.map([person_row([audience, british], 1)], advertiser_ids=(EU, UK)).json()[
            "code"
        ]
        == 0
    )
    assert mara_client.people(british) == 1


def test_membership_is_the_fold_in_order(mara_client, audience, person_row):
    mara_client.map([person_row(audience, n) for n in range(10)])
    assert mara_client.people(audience) == 10
    mara_client.map([person_row(audience, n) for n in range(5)], action="delete")
    mara_client.map([person_row(audience, n) for n in range(3)])
    assert mara_client.people(audience) == 8


def test_members_survive_a_restart(start_server, client_of, tmp_path, person_row):
    first = client_of(start_server(tmp_path / "sandbox.db"))
    audience = first.create()
    first.map([person_row(audience, 1, 2), person_row(audience, None, 3)], (EMAIL, PHONE))
    first.map([person_row(audience, None, 3)], (EMAIL, PHONE), action="delete")
    first.server.close()
    again = client_of(start_server(tmp_path / "sandbox.db"))
    assert again.people(audience) == 1
    assert again.send("GET", "user/info", token=first.token).json()["code"] == 0
