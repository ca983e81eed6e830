"""Erasing one of two people who share an e-mail address keeps the other one."""

from pathlib import Path

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import ErasedName, Erasure, Profile
from audiencesync.people.writing.upsert import upsert
from canvases.privacy import erase as privacy

pytestmark = pytest.mark.thorough

EMAIL = "family@example.org"


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def change_people(acme):
    """change_people(change, ...) -> the problems of one upsert."""
    return lambda *changes: upsert(acme, changes, now=timezone.now()).problems


@pytest.fixture
def family(acme, change_people):
    """Ann was erased. Left are Bert, a profile that has only an alias, and the ledger."""
    given = {"fields": {"email": EMAIL}}
    assert not change_people(
        Change(external_id="ann", **given), Change(external_id="bert", **given)
    )
    assert not change_people(Change(alias=("crm", "son"), **given))
    erase(acme, "ann")
    return acme


def erase(group, external_id):
    person = Profile.objects.get(app_group=group, external_id=external_id)
    privacy.erase(group, [person.pk], asked_by="Alice", now=timezone.now())
    privacy.beat()


def erase_again(settings):
    return privacy.erase_again(Path(settings.ERASURE_LEDGER), now=timezone.now())


def external_ids():
    return set(Profile.objects.values_list("external_id", flat=True))


def test_a_person_who_only_shares_the_address_is_not_erased_again(family, settings):
    assert erase_again(settings) == 0
    assert external_ids() == {"bert", None}


@pytest.fixture
def restored(family):
    """The family after a restore of a backup that is older than the erasure."""
    ErasedName.objects.all().delete()
    Erasure.objects.all().delete()
    return family


def test_a_person_erased_by_external_id_is_erased_again(restored, change_people, settings):
    change_people(Change(external_id="ann"))
    assert erase_again(settings) == 1
    assert external_ids() == {"bert", None}


def test_an_anonymous_profile_of_the_address_is_erased_again(restored, change_people, settings):
    Profile.objects.filter(external_id=None).delete()
    change_people(Change(external_id="x", fields={"email": EMAIL}))
    Profile.objects.filter(external_id="x").update(external_id=None)
    assert erase_again(settings) == 1
    assert external_ids() == {"bert"}


@pytest.mark.parametrize("name", [{"external_id": "bert"}, {"alias": ("crm", "son")}])
def test_another_owner_of_the_address_keeps_it(family, change_people, name):
    assert (
        change_people(Change(**name, fields={"email": "Family@Example.org", "country": "DE"})) == {}
    )
    assert Profile.objects.get(country="DE").email == "Family@Example.org"


def test_a_profile_changed_by_id_keeps_the_address(family, change_people):
    bert = Profile.objects.get(external_id="bert")
    assert change_people(Change(profile_id=bert.pk, fields={"email": EMAIL})) == {}


@pytest.mark.parametrize(
    "change",
    [
        Change(external_id="new", fields={"email": EMAIL}),
        Change(external_id="carl", fields={"email": EMAIL}),
        Change(external_id="bert", fields={"email": EMAIL, "phone": "+4915112345678"}),
        Change(email=EMAIL),
        Change(external_id="ann"),
    ],
)
def test_an_import_does_not_assign_identifiers_of_an_erased_person(family, change_people, change):
    change_people(
        Change(external_id="carl"), Change(external_id="dora", fields={"phone": "+4915112345678"})
    )
    erase(family, "dora")
    done = upsert(family, [change], now=timezone.now(), from_file=True)
    assert done.problems == {0: "erased"}
