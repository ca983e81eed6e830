"""Two people share an e-mail and one of them is erased: the other stays, and the erased one does not return."""

from pathlib import Path

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import ErasedName, Erasure, Profile
from audiencesync.people.writing.upsert import upsert
from canvases.privacy import erase as privacy

EMAIL = "family@example.org"


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def told(acme):
    """told(change, ...) -> the problems of one call."""
    return lambda *changes: upsert(acme, changes, now=timezone.now()).problems


@pytest.fixture
def family(acme, told):
    """Ann was erased; Bert, her alias-only son and the ledger are left."""
    given = {"fields": {"email": EMAIL}}
    assert not told(Change(external_id="ann", **given), Change(external_id="bert", **given))
    assert not told(Change(alias=("crm", "son"), **given))
    erase(acme, "ann")
    return acme


def erase(group, external_id):
    person = Profile.objects.get(app_group=group, external_id=external_id)
    privacy.erase(group, [person.pk], asked_by="Alice", now=timezone.now())
    privacy.beat()


def again(settings):
    return privacy.erase_again(Path(settings.ERASURE_LEDGER), now=timezone.now())


def known():
    return set(Profile.objects.values_list("external_id", flat=True))


def test_who_only_shares_an_address_is_not_erased_again(family, settings):
    assert again(settings) == 0
    assert known() == {"bert", None}


@pytest.fixture
def restored(family):
    """The backup is older than the erasure."""
    ErasedName.objects.all().delete()
    Erasure.objects.all().delete()
    return family


def test_who_was_erased_by_their_id_is_erased_again(restored, told, settings):
    told(Change(external_id="ann"))
    assert again(settings) == 1
    assert known() == {"bert", None}


def test_who_was_nobody_but_an_address_then_is_erased_again(restored, told, settings):
    Profile.objects.filter(external_id=None).delete()
    told(Change(external_id="x", fields={"email": EMAIL}))
    Profile.objects.filter(external_id="x").update(external_id=None)
    assert again(settings) == 1
    assert known() == {"bert"}


@pytest.mark.parametrize("name", [{"external_id": "bert"}, {"alias": ("crm", "son")}])
def test_who_has_the_address_already_keeps_it(family, told, name):
    assert told(Change(**name, fields={"email": "Family@Example.org", "country": "DE"})) == {}
    assert Profile.objects.get(country="DE").email == "Family@Example.org"


def test_by_its_number_somebody_keeps_it_too(family, told):
    bert = Profile.objects.get(external_id="bert")
    assert told(Change(profile_id=bert.pk, fields={"email": EMAIL})) == {}


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
def test_a_file_gives_nobody_what_the_erased_person_had(family, told, change):
    told(Change(external_id="carl"), Change(external_id="dora", fields={"phone": "+4915112345678"}))
    erase(family, "dora")
    done = upsert(family, [change], now=timezone.now(), from_file=True)
    assert done.problems == {0: "erased"}
