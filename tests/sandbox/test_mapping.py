"""Adding and removing people: the members after each request."""

import pytest

from tiktok_sandbox.seed import EU, UK

EMAIL, PHONE, IDFA = "EMAIL_SHA256", "PHONE_SHA256", "IDFA_SHA256"


@pytest.fixture
def audience(mara):
    return mara.create()


def ids(caller, audience):
    return caller.sandbox.audiences.members(audience).ids


def test_people_are_added(mara, audience, row, hashed):
    answer = mara.map([row(audience, 1), row(audience, 2)]).json()
    assert (answer["code"], answer["data"]) == (0, {})
    assert sorted(mara.sandbox.audiences.listed(audience)) == sorted(
        [(EMAIL, hashed(1)), (EMAIL, hashed(2))]
    )


def test_adding_twice_is_adding_once(mara, audience, row):
    for _ in range(2):
        mara.map([row(audience, 1), row(audience, 2), row(audience, 1)])
    assert mara.people(audience) == 2


def test_a_person_with_several_ids_is_one(mara, audience, row):
    mara.map([row(audience, 1, 2, 3), row(audience, 4, None, 5)], (EMAIL, PHONE, IDFA))
    assert mara.people(audience) == 2
    assert ids(mara, audience) == {EMAIL: 2, PHONE: 1, IDFA: 2}


def test_columns_may_come_in_any_order_and_case(mara, audience, row, hashed):
    mara.map([row(audience, 2, 1)], ("phone_sha256", "email_sha256"))
    assert set(mara.sandbox.audiences.listed(audience)) == {(EMAIL, hashed(1)), (PHONE, hashed(2))}


def test_people_are_removed(mara, audience, row):
    mara.map([row(audience, n) for n in range(5)])
    assert mara.map([row(audience, 1), row(audience, 9)], action="delete").json()["code"] == 0
    assert mara.people(audience) == 4


def test_a_person_without_ids_is_removed(mara, audience, row):
    mara.map([row(audience, 1, 2)], (EMAIL, PHONE))
    mara.map([row(audience, 1)], (EMAIL,), action="delete")
    assert mara.people(audience) == 1
    mara.map([row(audience, 2)], (PHONE,), action="delete")
    assert mara.people(audience) == 0


@pytest.mark.parametrize("fewer_first", [True, False])
def test_the_same_person_by_fewer_ids_is_still_one(mara, audience, row, fewer_first):
    requests = [([row(audience, 2)], (PHONE,)), ([row(audience, 1, 2)], (EMAIL, PHONE))]
    for rows, schemas in requests if fewer_first else reversed(requests):
        mara.map(rows, schemas)
    assert mara.people(audience) == 1


def test_a_known_phone_identifies_the_person_of_its_e_mail(mara, audience, row):
    mara.map([row(audience, 1, 2, None)], (EMAIL, PHONE, IDFA))
    mara.map([row(audience, None, 2, 3)], (EMAIL, PHONE, IDFA))
    assert mara.people(audience) == 1


def test_two_people_who_share_a_phone_are_two(mara, audience, row):
    mara.map([row(audience, 1, 9), row(audience, 2, 9)], (EMAIL, PHONE))
    assert mara.people(audience) == 2
    assert ids(mara, audience) == {EMAIL: 2, PHONE: 1}


def test_upper_case_hashes_are_the_same(mara, audience, row, hashed):
    mara.map([row(audience, 1)])
    mara.map([[{"id": hashed(1).upper(), "audience_ids": [audience]}]], action="delete")
    assert mara.people(audience) == 0


def test_md5_is_for_device_ids_only(mara, audience):
    mara.map([[{"id": "ab" * 16, "audience_ids": [audience]}]], ("IDFA_MD5",))
    assert mara.sandbox.audiences.listed(audience) == [("IDFA_MD5", "ab" * 16)]


def test_several_audiences_in_one_request(mara, audience, row):
    other = mara.create("other")
    mara.map([row([audience, other], 1), row([audience, other], 2)])
    assert (mara.people(audience), mara.people(other)) == (2, 2)


def test_every_cell_names_its_own_audiences(mara, audience, row, hashed):
    other = mara.create("other")
    mixed = [*row(audience, 3), *row(other, 4)]
    mara.map([row(audience, 1, None), row([audience, other], 2, None), mixed], (EMAIL, PHONE))
    assert set(mara.sandbox.audiences.listed(audience)) == {(EMAIL, hashed(n)) for n in (1, 2, 3)}
    assert set(mara.sandbox.audiences.listed(other)) == {(EMAIL, hashed(2)), (PHONE, hashed(4))}
    assert (mara.people(audience), mara.people(other)) == (3, 2)


def test_audiences_of_several_ad_accounts(mara, audience, row):
    british = mara.create(advertiser_id=UK)
    assert mara.map([row([audience, british], 1)], advertiser_ids=(EU, UK)).json()["code"] == 0
    assert mara.people(british) == 1


def test_membership_is_the_fold_in_order(mara, audience, row):
    mara.map([row(audience, n) for n in range(10)])
    assert mara.people(audience) == 10
    mara.map([row(audience, n) for n in range(5)], action="delete")
    mara.map([row(audience, n) for n in range(3)])
    assert mara.people(audience) == 8


def test_members_survive_a_restart(start, caller, tmp_path, row):
    first = caller(start(tmp_path / "sandbox.db"))
    audience = first.create()
    first.map([row(audience, 1, 2), row(audience, None, 3)], (EMAIL, PHONE))
    first.map([row(audience, None, 3)], (EMAIL, PHONE), action="delete")
    first.server.close()
    again = caller(start(tmp_path / "sandbox.db"))
    assert again.people(audience) == 1
    assert again.send("GET", "user/info", token=first.token).json()["code"] == 0
