"""A hash of what is known as it is written says nothing new: who can be read stays readable, whoever tells it how."""

from hashlib import sha256

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import PastIdentifier, Profile
from audiencesync.people.writing.upsert import upsert

HASH = sha256(b"anna@example.org").hexdigest()
OTHER = sha256(b"bert@example.org").hexdigest()


@pytest.fixture
def anna(make_profile):
    return make_profile(external_id="c-1", email="Anna@Example.org", phone="+4915112345678")


@pytest.mark.parametrize("told", [HASH, HASH.upper()])
@pytest.mark.parametrize("key", ["external_id", "email", "phone"])
def test_an_import_keeps_what_can_be_read(imports, anna, key, told):
    cells = {"external_id": "c-1", "email": told, "phone": "+4915112345678"}
    columns = {key, "email"}
    data = (
        ",".join([*columns, "city"])
        + "\n"
        + ",".join([*(cells[name] for name in columns), "Ulm"])
        + "\n"
    )
    row = imports.run(data, key=key)
    assert (row.n_updated, row.n_rejected) == (1, 0)
    anna.refresh_from_db()
    assert (anna.email, anna.email_sha256.hex(), anna.invalid_kinds) == (
        "Anna@Example.org",
        HASH,
        0,
    )
    assert anna.attributes == {"city": "Ulm"}


def test_a_hash_of_another_replaces_it(imports, anna):
    imports.run(f"external_id,email\nc-1,{OTHER}\n")
    anna.refresh_from_db()
    assert (anna.email, anna.email_sha256.hex()) == (OTHER, OTHER)
    assert PastIdentifier.objects.get().sha256.hex() == HASH


@pytest.mark.parametrize("key", ["external_id", "phone"])
def test_a_later_row_with_the_hash_keeps_what_an_earlier_one_told(imports, key):
    cell = {"external_id": "c-9", "phone": "+4915112345679"}[key]
    imports.run(f"{key},email\n{cell},anna@example.org\n{cell},{HASH}\n")
    assert Profile.objects.get().email == "anna@example.org"


def test_a_later_row_that_can_be_read_replaces_the_hash(imports):
    imports.run(f"external_id,email\nc-9,{HASH}\nc-9,anna@example.org\n")
    assert Profile.objects.get().email == "anna@example.org"


def test_a_call_keeps_it_too(acme, anna):
    told = [{"email": HASH.upper()}, {"email": f" {HASH} ", "country": "DE"}]
    upsert(acme, [Change(external_id="c-1", fields=fields) for fields in told], now=timezone.now())
    anna.refresh_from_db()
    assert (anna.email, anna.country) == ("Anna@Example.org", "DE")


def test_a_later_object_of_a_call_keeps_what_an_earlier_one_told(acme, anna):
    told = ["bert@example.org", OTHER]
    upsert(
        acme,
        [Change(external_id="c-1", fields={"email": email}) for email in told],
        now=timezone.now(),
    )
    anna.refresh_from_db()
    assert anna.email == "bert@example.org"
