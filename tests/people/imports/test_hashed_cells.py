"""A hash of a known clear value does not replace the clear value."""

from hashlib import sha256

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import PastIdentifier, Profile
from audiencesync.people.writing.upsert import upsert

pytestmark = pytest.mark.thorough

HASH = sha256(b"anna@example.org").hexdigest()
OTHER = sha256(b"bert@example.org").hexdigest()


@pytest.fixture
def anna(make_profile):
    return make_profile(external_id="c-1", email="Anna@Example.org", phone="+4915112345678")


@pytest.mark.parametrize("cell", [HASH, HASH.upper()])
@pytest.mark.parametrize("key", ["external_id", "email", "phone"])
def test_an_import_keeps_a_clear_value_beside_its_hash(import_pages, anna, key, cell):
    cells = {"external_id": "c-1", "email": cell, "phone": "+4915112345678"}
    columns = {key, "email"}
    data = (
        ",".join([*columns, "city"])
        + "\n"
        + ",".join([*(cells[name] for name in columns), "Ulm"])
        + "\n"
    )
    row = import_pages.run_to_end(data, key=key)
    assert (row.n_updated, row.n_rejected) == (1, 0)
    anna.refresh_from_db()
    assert (anna.email, anna.email_sha256.hex(), anna.invalid_kinds) == (
        "Anna@Example.org",
        HASH,
        0,
    )
    assert anna.attributes == {"city": "Ulm"}


def test_a_hash_of_another_value_replaces_the_clear_value(import_pages, anna):
    import_pages.run_to_end(f"external_id,email\nc-1,{OTHER}\n")
    anna.refresh_from_db()
    assert (anna.email, anna.email_sha256.hex()) == (OTHER, OTHER)
    assert PastIdentifier.objects.get().sha256.hex() == HASH


@pytest.mark.parametrize("key", ["external_id", "phone"])
def test_a_later_row_with_the_hash_keeps_the_clear_value_of_an_earlier_row(import_pages, key):
    cell = {"external_id": "c-9", "phone": "+4915112345679"}[key]
    import_pages.run_to_end(f"{key},email\n{cell},anna@example.org\n{cell},{HASH}\n")
    assert Profile.objects.get().email == "anna@example.org"


def test_a_later_clear_value_replaces_its_hash(import_pages):
    import_pages.run_to_end(f"external_id,email\nc-9,{HASH}\nc-9,anna@example.org\n")
    assert Profile.objects.get().email == "anna@example.org"


def test_an_upsert_keeps_a_clear_value_beside_its_hash(acme, anna):
    variants = [{"email": HASH.upper()}, {"email": f" {HASH} ", "country": "DE"}]
    changes = [Change(external_id="c-1", fields=fields) for fields in variants]
    upsert(acme, changes, now=timezone.now())
    anna.refresh_from_db()
    assert (anna.email, anna.country) == ("Anna@Example.org", "DE")


def test_a_later_hash_in_one_upsert_keeps_the_clear_value_of_an_earlier_object(acme, anna):
    emails = ["bert@example.org", OTHER]
    changes = [Change(external_id="c-1", fields={"email": email}) for email in emails]
    upsert(acme, changes, now=timezone.now())
    anna.refresh_from_db()
    assert anna.email == "bert@example.org"
