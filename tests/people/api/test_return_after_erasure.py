"""After an erasure: a new id makes a new person; the old id and old files stay suppressed."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import ErasedName, Erasure, Profile
from audiencesync.people.privacy import erasure_ledger
from audiencesync.people.writing.upsert import erased_indexes, upsert
from canvases.privacy import erase

ANN = {"external_id": "ann", "email": "ann@example.org", "phone": "+4915112345678"}


@pytest.fixture
def erased(api, settings, tmp_path):
    """Erase Ann with all her identifiers."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    api.track(attributes=[ANN])
    assert api.post("/users/delete", {"external_ids": ["ann"]}).status_code == 201
    erase.proceed(now=timezone.now())


def test_a_new_id_with_the_same_addresses_is_a_new_person(api, erased):
    assert "errors" not in api.track(attributes=[ANN | {"external_id": "ann-2"}])
    profile = Profile.objects.get()
    assert (profile.external_id, profile.email, profile.phone) == (
        "ann-2",
        ANN["email"],
        ANN["phone"],
    )


def test_a_new_alias_with_the_same_email_is_a_new_person(api, erased):
    alias = {"alias_label": "web", "alias_name": "new"}
    api.track(
        attributes=[{"user_alias": alias, "email": ANN["email"], "_update_existing_only": False}]
    )
    assert Profile.objects.get().email == ANN["email"]


@pytest.mark.parametrize("address", ["email", "phone"])
def test_a_call_may_reuse_an_erased_address_and_a_file_may_not(api, acme, erased, address):
    api.track(attributes=[{"external_id": "carl"}])
    changes = [Change(external_id="carl", fields={address: ANN[address]})]
    assert upsert(acme, changes, now=timezone.now(), from_file=True).problems == {0: "erased"}
    assert "errors" not in api.track(attributes=[{"external_id": "carl", address: ANN[address]}])
    assert getattr(Profile.objects.get(), address) == ANN[address]


@pytest.mark.parametrize(
    "name", [{"external_id": "ann"}, {"email": ANN["email"]}, {"phone": ANN["phone"]}]
)
def test_the_old_id_and_a_bare_address_stay_suppressed(api, erased, name):
    assert api.track(status=400, attributes=[name])["errors"][0]["type"] == "ERASED_USER"
    assert not Profile.objects.exists()


def change(**more):
    return [Change(external_id="ann-2", fields={"email": ANN["email"]}, **more)]


def test_a_file_is_suppressed_for_the_days_of_the_group(acme, erased):
    now = timezone.now()
    assert erased_indexes(acme, change(), now=now) == {0}
    assert upsert(acme, change(), now=now, from_file=True).problems == {0: "erased"}
    acme.suppression_days = 30
    later = now + timedelta(days=31)
    assert erased_indexes(acme, change(), now=later) == set()
    assert upsert(acme, change(), now=later, from_file=True).created == 1


def test_the_old_id_is_suppressed_for_ever(acme, erased):
    later = timezone.now() + timedelta(days=4000)
    assert erased_indexes(acme, [Change(external_id="ann")], now=later) == {0}


def test_a_second_erasure_suppresses_the_address_again(api, acme, erased):
    api.track(attributes=[ANN | {"external_id": "ann-2"}])
    ErasedName.objects.update(at=timezone.now() - timedelta(days=365))
    api.post("/users/delete", {"external_ids": ["ann-2"]})
    assert erased_indexes(
        acme, [Change(external_id="ann-3", email=ANN["email"])], now=timezone.now()
    ) == {0}


def test_a_released_person_may_return_and_is_not_erased_after_a_restore(
    api, acme, erased, settings
):
    erasure_ledger.append_to_file()
    path = erasure_ledger.Path(settings.ERASURE_LEDGER)
    assert erasure_ledger.read(path)[acme.pk]
    assert erasure_ledger.release(Erasure.objects.get(), now=timezone.now()) == 3
    assert not erasure_ledger.read(path)[acme.pk]
    assert "errors" not in api.track(attributes=[ANN])
    assert erase.erase_again(path, now=timezone.now()) == 0
    assert Profile.objects.get().external_id == "ann"
