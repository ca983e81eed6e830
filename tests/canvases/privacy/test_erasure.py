"""An erased person is hidden at once, removed from every audience by every hash, then deleted."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audiencesync.groups.models import Activity
from audiencesync.people.changes import Change
from audiencesync.people.models import ErasedName, Erasure, PastIdentifier, Profile
from audiencesync.people.privacy import erasure_ledger
from audiencesync.people.writing.upsert import upsert
from canvases import laws
from canvases.privacy import erase as privacy
from partners import sync
from partners.models import Delivery, Sync
from tests.support import profiles

pytestmark = pytest.mark.thorough

EMAIL = "ann@example.org"


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def ann(acme):
    row = Profile(app_group=acme, external_id="ann", email=EMAIL, attributes={"plan": "gold"})
    profiles.set_hashes(row, region="DE")
    row.save()
    return row


def erase(world, *people, by="Alice"):
    return privacy.erase(
        world.app_group, [person.pk for person in people], asked_by=by, now=timezone.now()
    )


def proceed(world):
    privacy.proceed(now=timezone.now())
    world.drain()
    privacy.proceed(now=timezone.now())
    assert laws.broken(now=timezone.now()) == []


def test_a_synced_person_is_removed_from_every_audience_and_deleted(world, ann):
    audiences = [world.create_audience("one"), world.create_audience("two", world.uk)]
    other = world.create_people(1)
    for audience in audiences:
        world.enter(world.create_sync(audience), [ann, *other])
    world.drain()
    assert [world.members(audience) for audience in audiences] == [2, 2]
    (erasure,) = erase(world, ann)
    proceed(world)
    assert [world.members(audience) for audience in audiences] == [1, 1]
    assert not Profile.everybody.filter(pk=ann.pk).exists()
    erasure.refresh_from_db()
    assert (erasure.state, erasure.profile) == ("done", None)
    assert sorted((place["audience"], place["state"]) for place in erasure.places) == [
        ("one", "synced"),
        ("two", "synced"),
    ]


def test_past_hashes_are_removed(world, ann):
    audience = world.create_audience()
    world.enter(world.create_sync(audience), [ann])
    world.drain()
    upsert(
        world.app_group,
        [Change(external_id="ann", fields={"email": "new@example.org"})],
        now=timezone.now(),
    )
    world.enter(world.create_sync(audience), [ann])
    world.drain()
    assert world.members(audience) == 2
    erase(world, ann)
    proceed(world)
    assert world.members(audience) == 0


def test_a_pending_person_is_never_sent(world, ann):
    audience = world.create_audience()
    sync_row = world.create_sync(audience)
    world.enter(sync_row, [ann])
    erase(world, ann)
    assert world.counts(sync_row) == {"entered": 1, "cancelled": 1}
    assert Delivery.objects.get(sync=sync_row).reason == "erased"
    proceed(world)
    assert [line.code for line in world.mappings() if line.code != 0] == []
    assert world.members(audience) == 0
    assert Erasure.objects.get().state == "done"


def test_personal_data_are_deleted_at_once(world, ann):
    world.enter(world.create_sync(), [ann])
    erase(world, ann)
    row = Profile.everybody.get(pk=ann.pk)
    assert (row.external_id, row.email, row.attributes) == (None, "", {})
    assert not Profile.objects.filter(pk=ann.pk).exists()


def test_an_enqueue_after_the_erasure_is_cancelled(world, ann):
    sync_row = world.create_sync()
    crowd = [ann]
    erase(world, ann)
    Erasure.objects.update(asked_at=timezone.now())  # the removals have been queued
    with transaction.atomic():
        people = Profile.everybody.filter(pk__in=[one.pk for one in crowd]).annotate(
            profile_id=F("pk")
        )
        sync.enqueue(sync_row, people.values_list("pk", "profile_id"), now=timezone.now())
    assert world.counts(sync_row) == {"entered": 1, "cancelled": 1}


def test_a_removal_of_an_erasure_has_a_longer_retry_window(world, ann):
    audience = world.create_audience()
    world.enter(world.create_sync(audience), [ann])
    world.drain()
    world.sandbox.accounts.revoke(world.remote_token)
    erase(world, ann)
    privacy.proceed(now=timezone.now())
    world.flush(2)
    batch = Sync.objects.get(purpose="erasure").batches.get()
    assert batch.deadline_at - batch.first_failed_at == timedelta(days=30)
    privacy.proceed(now=timezone.now())
    assert Erasure.objects.get().state == "removing"


def test_proceed_is_idempotent(world, ann):
    world.enter(world.create_sync(), [ann])
    world.drain()
    erase(world, ann)
    privacy.proceed(now=timezone.now())
    Erasure.objects.update(asked_at=None)
    privacy.proceed(now=timezone.now())
    assert Delivery.objects.filter(sync__purpose="erasure").count() == 1
    proceed(world)


def test_a_person_never_sent_is_deleted_at_once(world, ann):
    PastIdentifier.objects.create(profile=ann, kind="email", sha256=b"x" * 32)
    erase(world, ann)
    proceed(world)
    assert not Profile.everybody.exists()
    assert Erasure.objects.get().places == []


@pytest.mark.parametrize(
    "change",
    [
        Change(external_id="ann", fields={"country": "DE"}),
        Change(email=" Ann@Example.org "),
        Change(external_id="another", fields={"email": EMAIL}),
    ],
)
def test_an_erased_person_is_not_imported_again(world, ann, change):
    erase(world, ann)
    proceed(world)
    changes = [change, Change(external_id="bert")]
    done = upsert(world.app_group, changes, now=timezone.now(), from_file=True)
    assert done.problems == {0: "erased"}
    assert Profile.objects.get().external_id == "bert"


def test_the_ledger_is_filed_once(world, ann):
    erase(world, ann)
    assert erasure_ledger.append_to_file() == ErasedName.objects.count() == 2
    assert erasure_ledger.append_to_file() == 0


def test_the_ledger_erases_again_after_a_restore(world, ann, settings, tmp_path):
    erase(world, ann)
    erasure_ledger.append_to_file()
    proceed(world)
    ErasedName.objects.all().delete()  # the backup is older than the erasure
    Erasure.objects.all().delete()
    back = Profile(app_group=world.app_group, external_id="ann", email=EMAIL)
    profiles.set_hashes(back, region="DE")
    back.save()
    world.create_people(3)
    with open(settings.ERASURE_LEDGER, "a") as out:
        out.write('{"group": 1, "ki')  # cut off by a crash
    assert privacy.erase_again(tmp_path / "erasures.jsonl", now=timezone.now()) == 1
    proceed(world)
    assert Profile.everybody.count() == 3


def test_an_erasure_asked_for_twice_is_noted_once(world, alice, ann):
    for _n in range(2):
        privacy.erase_by(alice, world.app_group, [ann.pk], now=timezone.now())
    assert Activity.objects.filter(verb="erased").count() == 1
    assert Erasure.objects.count() == 1
