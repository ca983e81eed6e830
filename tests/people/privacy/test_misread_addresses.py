"""People hashed by the rule that misread phones are hashed anew while the product runs; what was sent of others goes."""

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

BARE, RIGHT, WRONG = "4917612345678", digest("+4917612345678"), digest("+494917612345678")
MIGRATION = importlib.import_module("audiencesync.people.migrations.0012_misreadings")


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def misread(acme):
    """misread(**columns) -> somebody whom the old rule has hashed."""

    def make(**columns):
        known = {"external_id": "ann", "phone": BARE, "phone_sha256": WRONG, "rule_version": 1}
        return Profile.objects.create(app_group=acme, **known | columns)

    return make


def upgrade(group):
    MIGRATION.begin(apps, None)
    group.refresh_from_db()


def sent(world, audience):
    """The hashes in an audience."""
    found = [one for _schema, one in world.sandbox.audiences.listed(audience.remote_id)]
    return [one.hex() if isinstance(one, bytes) else one for one in found]


def hashes():
    return [
        bytes(value)
        for value in Profile.objects.order_by("pk").values_list("phone_sha256", flat=True)
    ]


def test_everybody_is_hashed_anew_in_chunks_and_the_old_hash_is_kept(acme, misread, monkeypatch):
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
        (one.pk, "phone", WRONG) for one in people
    ]


def test_a_number_that_could_be_two_is_set_aside(acme, misread):
    misread(phone="41781234567", phone_sha256=digest("+4941781234567"))
    upgrade(acme)
    erase.beat()
    known = Profile.objects.get()
    assert (known.phone_sha256, known.invalid_kinds) == (None, 0b10)


def test_where_only_hashes_are_stored_they_stay(acme, misread):
    acme.hash_only = True
    acme.save()
    misread(phone="")
    upgrade(acme)
    erase.beat()
    assert (hashes(), Misreading.objects.count()) == ([WRONG], 0)


def test_the_hash_of_another_leaves_the_audiences_it_was_sent_to_and_the_person_stays(
    world, misread
):
    ann, [bob], audience = (
        misread(email_sha256=digest("a@example.org")),
        world.people(),
        world.audience(),
    )
    add, unsent = world.sync(audience, kinds=("phone",)), world.sync(world.audience("other"))
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


def test_an_add_that_waits_is_sent_with_the_right_hash(world, misread):
    ann, audience = misread(), world.audience()
    add, later = world.sync(audience, kinds=("phone",)), world.sync(audience, kinds=("phone",))
    world.enter(add, [ann])
    world.drain()
    world.enter(later, [ann])
    upgrade(world.app_group)
    erase.beat()
    world.drain()
    assert world.counts(later) == {"entered": 1, "synced": 1}
    assert sent(world, audience) == [RIGHT.hex()]


def test_whose_hash_it_is_stays_where_they_were_sent(world, misread):
    ann, bert = misread(), misread(external_id="bert", phone="+494917612345678")
    audience = world.audience()
    world.enter(world.sync(audience, kinds=("phone",)), [ann, bert])
    world.drain()
    upgrade(world.app_group)
    erase.beat()
    world.drain()
    assert sent(world, audience) == [WRONG.hex()]


def test_who_is_written_before_their_turn_is_hashed_anew_then(acme, misread):
    misread()
    upgrade(acme)
    upsert(acme, [Change(external_id="ann", fields={"country": "DE"})], now=timezone.now())
    known = Profile.objects.get()
    assert (bytes(known.phone_sha256), known.country, known.rule_version) == (
        RIGHT,
        "DE",
        normalise.RULE_VERSION,
    )
    assert bytes(Misreading.objects.get().sha256) == WRONG


@pytest.mark.parametrize("told", [BARE, "+4917612345678", "0176 12345678"])
def test_who_is_told_by_phone_before_their_turn_is_not_made_again(acme, misread, told):
    ann = misread(external_id=None)
    upgrade(acme)
    done = upsert(acme, [Change(phone=told, fields={"country": "DE"})], now=timezone.now())
    assert (done.profile_ids, done.created) == ([ann.pk], 0)


@pytest.mark.parametrize("told", [BARE, "+4917612345678", "0176 12345678", f"{BARE}.0"])
def test_who_was_erased_under_a_wrong_hash_does_not_come_back(acme, misread, told):
    ann = misread(external_id=None)
    erase.erase(acme, [ann.pk], asked_by="x", now=timezone.now())
    upgrade(acme)
    changes = [Change(phone=told), Change(external_id="new", fields={"phone": told})]
    assert upsert(acme, changes, now=timezone.now(), from_file=True).problems == {
        0: "erased",
        1: "erased",
    }
    assert upsert(acme, [Change(phone="+4917612345679")], now=timezone.now()).created == 1


def test_after_a_restore_the_ledger_still_knows_which_names_are_of_the_old_rule(
    acme, misread, settings
):
    ann = misread(external_id=None)
    erase.erase(acme, [ann.pk], asked_by="x", now=timezone.now())
    erase.beat()
    upgrade(acme)
    ErasedName.objects.all().delete()
    erase.erase_again(Path(settings.ERASURE_LEDGER), now=timezone.now())
    assert upsert(acme, [Change(phone=BARE)], now=timezone.now()).problems == {0: "erased"}
