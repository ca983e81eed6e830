"""Rehash phones that an old rule misread, and remove wrong hashes from audiences."""

import importlib
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.identifiers import normalise
from audiencesync.people.identifiers.normalise import digest
from audiencesync.people.models import ErasedName, Misreading, PastIdentifier, Profile
from audiencesync.people.writing import rework
from audiencesync.people.writing.upsert import upsert
from canvases.privacy import erase

pytestmark = pytest.mark.thorough

BARE, RIGHT, WRONG = "4917612345678", digest("+4917612345678"), digest("+494917612345678")
MIGRATION = importlib.import_module("audiencesync.people.migrations.0012_misreadings")


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def misread(acme):
    """Return misread(**columns) -> a profile hashed by the old rule."""

    def create_profile(**columns):
        defaults = {"external_id": "ann", "phone": BARE, "phone_sha256": WRONG, "rule_version": 1}
        return Profile.objects.create(app_group=acme, **defaults | columns)

    return create_profile


def upgrade(group):
    MIGRATION.begin(apps, None)
    group.refresh_from_db()


def sent(world, audience):
    """Return the hashes in an audience."""
    digests = [one for _schema, one in world.sandbox.audiences.member_ids(audience.remote_id)]
    return [one.hex() if isinstance(one, bytes) else one for one in digests]


def hashes():
    return [
        bytes(value)
        for value in Profile.objects.order_by("pk").values_list("phone_sha256", flat=True)
    ]


def test_profiles_are_rehashed_in_chunks_and_the_old_hash_is_kept(acme, misread, monkeypatch):
    monkeypatch.setattr(rework, "AT_ONCE", 1)
    people = [misread(external_id=str(n)) for n in range(3)]
    upgrade(acme)
    assert (hashes(), acme.rework_cursor) == ([WRONG] * 3, 0)
    erase.beat()
    acme.refresh_from_db()
    assert (hashes(), acme.rework_cursor) == ([RIGHT] * 3, None)
    assert set(Profile.objects.values_list("rule_version", flat=True)) == {normalise.RULE_VERSION}
    past = PastIdentifier.objects.order_by("profile").values_list("profile", "kind", "sha256")
    assert [(pk, kind, bytes(old)) for pk, kind, old in past] == [
        (person.pk, "phone", WRONG) for person in people
    ]


def test_an_ambiguous_number_becomes_unusable(acme, misread):
    misread(phone="41781234567", phone_sha256=digest("+4941781234567"))
    upgrade(acme)
    erase.beat()
    profile = Profile.objects.get()
    assert (profile.phone_sha256, profile.invalid_kinds) == (None, 0b10)


def test_hashes_of_a_hash_only_group_are_kept(acme, misread):
    acme.hash_only = True
    acme.save()
    misread(phone="")
    upgrade(acme)
    erase.beat()
    assert (hashes(), Misreading.objects.count()) == ([WRONG], 0)


def test_a_wrong_hash_is_removed_from_its_audiences_and_the_profile_stays(world, misread):
    ann, [bob], audience = (
        misread(email_sha256=digest("a@example.org")),
        world.create_people(),
        world.create_audience(),
    )
    add, unsent = (
        world.create_sync(audience, kinds=("phone",)),
        world.create_sync(world.create_audience("other")),
    )
    world.enter(add, [ann])
    world.enter(unsent, [ann, bob])
    world.drain()
    assert sent(world, audience) == [WRONG.hex()]
    upgrade(world.app_group)
    erase.beat()
    world.drain()
    assert (sent(world, audience), len(sent(world, unsent.audience))) == ([], 2)
    assert world.counts(add) == {"entered": 1, "synced": 1}
    assert (Misreading.objects.count(), Profile.objects.count()) == (0, 2)


def test_a_pending_add_is_sent_with_the_right_hash(world, misread):
    ann, audience = misread(), world.create_audience()
    add, later = (
        world.create_sync(audience, kinds=("phone",)),
        world.create_sync(audience, kinds=("phone",)),
    )
    world.enter(add, [ann])
    world.drain()
    world.enter(later, [ann])
    upgrade(world.app_group)
    erase.beat()
    world.drain()
    assert world.counts(later) == {"entered": 1, "synced": 1}
    assert sent(world, audience) == [RIGHT.hex()]


def test_a_wrong_hash_that_belongs_to_another_member_is_not_removed(world, misread):
    ann, bert = misread(), misread(external_id="bert", phone="+494917612345678")
    audience = world.create_audience()
    world.enter(world.create_sync(audience, kinds=("phone",)), [ann, bert])
    world.drain()
    upgrade(world.app_group)
    erase.beat()
    world.drain()
    assert sent(world, audience) == [WRONG.hex()]


def test_an_update_rehashes_the_profile_early(acme, misread):
    misread()
    upgrade(acme)
    upsert(acme, [Change(external_id="ann", fields={"country": "DE"})], now=timezone.now())
    profile = Profile.objects.get()
    assert (bytes(profile.phone_sha256), profile.country, profile.rule_version) == (
        RIGHT,
        "DE",
        normalise.RULE_VERSION,
    )
    assert bytes(Misreading.objects.get().sha256) == WRONG


@pytest.mark.parametrize("phone", [BARE, "+4917612345678", "0176 12345678"])
def test_a_profile_not_yet_rehashed_is_found_by_its_phone(acme, misread, phone):
    ann = misread(external_id=None)
    upgrade(acme)
    done = upsert(acme, [Change(phone=phone, fields={"country": "DE"})], now=timezone.now())
    assert (done.profile_ids, done.created) == ([ann.pk], 0)


@pytest.mark.parametrize("phone", [BARE, "+4917612345678", "0176 12345678", f"{BARE}.0"])
def test_a_person_erased_under_a_wrong_hash_does_not_come_back(acme, misread, phone):
    ann = misread(external_id=None)
    erase.erase(acme, [ann.pk], asked_by="x", now=timezone.now())
    upgrade(acme)
    changes = [Change(phone=phone), Change(external_id="new", fields={"phone": phone})]
    assert upsert(acme, changes, now=timezone.now(), from_file=True).problems == {
        0: "erased",
        1: "erased",
    }
    assert upsert(acme, [Change(phone="+4917612345679")], now=timezone.now()).created == 1


def test_old_erasures_are_honoured_after_a_restore(acme, misread, settings):
    ann = misread(external_id=None)
    erase.erase(acme, [ann.pk], asked_by="x", now=timezone.now())
    erase.beat()
    upgrade(acme)
    ErasedName.objects.all().delete()
    erase.erase_again(Path(settings.ERASURE_LEDGER), now=timezone.now())
    assert upsert(acme, [Change(phone=BARE)], now=timezone.now()).problems == {0: "erased"}
