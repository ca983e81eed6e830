"""Every writer stores the e-mail hash by Gmail's rule and the phone hash without its plus."""

import importlib
from datetime import timedelta
from hashlib import sha256

import pytest
from django.apps import apps
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.demo.people import make_people
from audiencesync.people.identifiers.normalise import gmail_spelling
from audiencesync.people.models import Misreading, PastIdentifier, Profile
from audiencesync.people.writing import rework
from audiencesync.people.writing.identify import Identity, identify
from audiencesync.people.writing.upsert import upsert

EMAIL, PHONE = "Jane.Doe+News@gmail.com", "+4915112345678"


def hash_of(text):
    return sha256(text.encode()).hexdigest()


ORDINARY = (hash_of("jane.doe+news@gmail.com"), hash_of(PHONE))
ALTERNATIVE = (hash_of("janedoe@gmail.com"), hash_of("4915112345678"))
FORMER_COLUMNS = {
    "email_sha256": bytes.fromhex(ORDINARY[0]),
    "phone_sha256": bytes.fromhex(ORDINARY[1]),
    "rule_version": 7,
}


def alternatives(profile=None):
    """Return the alternative hashes of a profile in hex, as they stand in the database."""
    stored = Profile.everybody.get(**({} if profile is None else {"pk": profile.pk}))
    columns = (stored.email_gmail_sha256, stored.phone_digits_sha256)
    return tuple(column and bytes(column).hex() for column in columns)


@pytest.fixture
def hash_only(acme):
    acme.hash_only = True
    acme.save()


@pytest.fixture(params=[False, True], ids=["raw values", "hashes only"])
def _either_group(request, acme):
    acme.hash_only = request.param
    acme.save()


@pytest.mark.parametrize(
    ("address", "spelt"),
    [
        ("jane.doe+news@gmail.com", "janedoe@gmail.com"),
        ("j.d@googlemail.com", "jd@googlemail.com"),
        ("jane.doe+news@example.com", "jane.doe+news@example.com"),
        ("jane.doe@mail.gmail.com", "jane.doe@mail.gmail.com"),
        ("+news@gmail.com", "+news@gmail.com"),
    ],
)
def test_gmail_spelling(address, spelt):
    assert gmail_spelling(address) == spelt


@pytest.mark.usefixtures("_either_group")
def test_the_api_stores_them_for_a_new_and_a_known_profile(api):
    api.track(attributes=[{"external_id": "a", "email": EMAIL, "phone": PHONE}])
    assert alternatives() == ALTERNATIVE
    api.track(
        attributes=[{"external_id": "a", "email": "b.c@example.org", "phone": "030 23125123"}]
    )
    assert alternatives() == (hash_of("b.c@example.org"), hash_of("493023125123"))


def test_a_cleared_identifier_clears_its_alternative(api):
    api.track(attributes=[{"external_id": "a", "email": EMAIL, "phone": PHONE}])
    api.track(attributes=[{"external_id": "a", "email": None, "phone": None}])
    assert alternatives() == (None, None)


@pytest.mark.usefixtures("_either_group")
def test_hashed_input_has_no_alternative(api):
    api.track(attributes=[{"external_id": "a", "email": ORDINARY[0], "phone": ORDINARY[1]}])
    assert alternatives() == (None, None)


@pytest.mark.usefixtures("_either_group")
def test_the_hash_of_a_known_value_keeps_its_alternative(api):
    api.track(attributes=[{"external_id": "a", "email": EMAIL, "phone": PHONE}])
    api.track(attributes=[{"external_id": "a", "email": ORDINARY[0], "phone": ORDINARY[1]}])
    assert alternatives() == ALTERNATIVE


@pytest.mark.usefixtures("_either_group")
def test_an_import_stores_them_for_new_and_known_profiles(import_pages):
    import_pages.run_to_end(f"external_id,email,phone\na,x@example.org,\nb,{EMAIL},{PHONE}\n")
    assert alternatives(Profile.objects.get(external_id="b")) == ALTERNATIVE
    import_pages.run_to_end(f"external_id,email,phone\na,{EMAIL},{PHONE}\n")
    assert alternatives(Profile.objects.get(external_id="a")) == ALTERNATIVE


@pytest.mark.usefixtures("_either_group")
def test_an_import_of_hashes_keeps_known_alternatives_and_makes_none(import_pages):
    import_pages.run_to_end(f"external_id,email,phone\na,{EMAIL},{PHONE}\n")
    import_pages.run_to_end(
        "external_id,email,phone\n" + "".join(f"{n},{','.join(ORDINARY)}\n" for n in "ab")
    )
    assert alternatives(Profile.objects.get(external_id="a")) == ALTERNATIVE
    assert alternatives(Profile.objects.get(external_id="b")) == (None, None)


@pytest.mark.usefixtures("_either_group")
def test_the_last_of_several_rows_decides_in_an_import(import_pages):
    import_pages.run_to_end(
        f"external_id,email,phone\na,x@example.org,+4930231251\na,{EMAIL},{PHONE}\n"
    )
    assert alternatives() == ALTERNATIVE


@pytest.mark.usefixtures("hash_only")
@pytest.mark.parametrize("door", ["api", "import"])
def test_a_hash_only_group_gains_them_when_the_address_arrives_again(acme, api, import_pages, door):
    Profile.objects.create(app_group=acme, external_id="a", **FORMER_COLUMNS | {"rule_version": 8})
    if door == "api":
        api.track(attributes=[{"external_id": "a", "email": EMAIL, "phone": PHONE}])
    else:
        import_pages.run_to_end(f"external_id,email,phone\na,{EMAIL},{PHONE}\n")
    assert alternatives() == ALTERNATIVE


@pytest.mark.parametrize("has_hash", [False, True])
def test_a_merge_moves_them_to_the_known_profile(acme, has_hash):
    now = timezone.now()
    person = Change(external_id="a", fields={"email": ORDINARY[0]} if has_hash else {})
    visitor = Change(alias=("web", "1"), fields={"email": EMAIL, "phone": PHONE})
    upsert(acme, [visitor, person], now=now)
    assert identify(acme, [Identity(("alias", ("web", "1")), "a")], now=now) == [None]
    assert alternatives(Profile.objects.get()) == ALTERNATIVE
    assert alternatives(Profile.everybody.exclude(merged_into=None).get()) == (None, None)


def test_a_demo_profile_has_them(acme):
    make_people(acme, 50)
    for profile in Profile.objects.all():
        assert [one is None for one in alternatives(profile)] == [
            profile.email_sha256 is None,
            profile.phone_sha256 is None,
        ]


@pytest.fixture
def upgraded(acme):
    """upgraded(**columns): a profile written before the upgrade, after the migration has run."""

    def create_profile(**columns):
        row = Profile.objects.create(app_group=acme, external_id="a", **FORMER_COLUMNS | columns)
        Profile.objects.update(updated_at=row.updated_at - timedelta(days=1))
        module = importlib.import_module("audiencesync.people.migrations.0014_alternative_hashes")
        module.begin(apps, None)
        acme.refresh_from_db()
        return Profile.objects.get()

    return create_profile


def test_the_background_pass_fills_them_in_and_leaves_no_other_trace(acme, upgraded):
    row = upgraded(email=EMAIL, phone=PHONE)
    assert alternatives() == (None, None)
    assert rework.rework() is False
    assert alternatives() == ALTERNATIVE
    after = Profile.objects.get()
    assert (after.updated_at, after.rule_version) == (row.updated_at, 8)
    assert not PastIdentifier.objects.exists()
    assert not Misreading.objects.exists()
    acme.refresh_from_db()
    assert acme.rework_cursor is None


@pytest.mark.usefixtures("hash_only")
def test_the_background_pass_leaves_stored_hashes_alone(upgraded):
    upgraded()
    rework.rework()
    after = Profile.objects.get()
    assert (after.rule_version, bytes(after.email_sha256).hex()) == (8, ORDINARY[0])
    assert alternatives() == (None, None)


@pytest.mark.parametrize("door", ["api", "import"])
def test_a_write_before_the_background_pass_fills_them_in(api, import_pages, upgraded, door):
    upgraded(email=EMAIL, phone=PHONE)
    if door == "api":
        api.track(attributes=[{"external_id": "a", "city": "Ulm"}])
    else:
        import_pages.run_to_end("external_id,city\na,Ulm\n")
    assert alternatives() == ALTERNATIVE
