"""Erasing a person: hidden at once, removed by every hash from every audience that may hold them, then gone."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import ErasedName, Erasure, PastIdentifier, Profile
from audiencesync.people.privacy import erasure_ledger
from audiencesync.people.writing.upsert import upsert
from canvases import laws
from canvases.privacy import erase as privacy
from partners import sync
from partners.models import Delivery, Sync

EMAIL = "ann@example.org"


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def ann(acme):
    row = Profile(app_group=acme, external_id="ann", email=EMAIL, attributes={"plan": "gold"})
    normalise.apply(row, region="DE")
    row.save()
    return row


def erase(world, *people, by="Alice"):
    return privacy.erase(
        world.app_group, [one.pk for one in people], asked_by=by, now=timezone.now()
    )


def carry_on(world):
    privacy.proceed(now=timezone.now())
    world.drain()
    privacy.proceed(now=timezone.now())
    assert laws.broken(now=timezone.now()) == []


def test_who_was_synced_is_removed_from_every_audience_and_gone(world, ann):
    audiences = [world.audience("one"), world.audience("two", world.uk)]
    other = world.people(1)
    for audience in audiences:
        world.enter(world.sync(audience), [ann, *other])
    world.drain()
    assert [world.members(audience) for audience in audiences] == [2, 2]
    (erasure,) = erase(world, ann)
    carry_on(world)
    assert [world.members(audience) for audience in audiences] == [1, 1]
    assert not Profile.everybody.filter(pk=ann.pk).exists()
    erasure.refresh_from_db()
    assert (erasure.state, erasure.profile) == ("done", None)
    assert sorted((place["audience"], place["state"]) for place in erasure.places) == [
        ("one", "synced"),
        ("two", "synced"),
    ]


def test_every_hash_they_ever_had_is_removed(world, ann):
    audience = world.audience()
    world.enter(world.sync(audience), [ann])
    world.drain()
    upsert(
        world.app_group,
        [Change(external_id="ann", fields={"email": "new@example.org"})],
        now=timezone.now(),
    )
    world.enter(world.sync(audience), [ann])
    world.drain()
    assert world.members(audience) == 2
    erase(world, ann)
    carry_on(world)
    assert world.members(audience) == 0


def test_who_only_waits_is_never_sent(world, ann):
    audience = world.audience()
    asked = world.sync(audience)
    world.enter(asked, [ann])
    erase(world, ann)
    assert world.counts(asked) == {"entered": 1, "cancelled": 1}
    assert Delivery.objects.get(sync=asked).reason == "erased"
    carry_on(world)
    assert [line.code for line in world.mappings() if line.code != 0] == []
    assert world.members(audience) == 0
    assert Erasure.objects.get().state == "done"


def test_nothing_personal_is_left_from_the_first_moment(world, ann):
    world.enter(world.sync(), [ann])
    erase(world, ann)
    row = Profile.everybody.get(pk=ann.pk)
    assert (row.external_id, row.email, row.attributes) == (None, "", {})
    assert not Profile.objects.filter(pk=ann.pk).exists()


def test_who_enters_after_the_wish_is_cancelled(world, ann):
    asked = world.sync()
    crowd = [ann]
    erase(world, ann)
    Erasure.objects.update(asked_at=timezone.now())  # the removals are queued already
    with transaction.atomic():
        people = Profile.everybody.filter(pk__in=[one.pk for one in crowd]).annotate(
            profile_id=F("pk")
        )
        sync.enqueue(asked, people.values_list("pk", "profile_id"), now=timezone.now())
    assert world.counts(asked) == {"entered": 1, "cancelled": 1}


def test_it_waits_for_a_new_token_longer_than_others(world, ann):
    audience = world.audience()
    world.enter(world.sync(audience), [ann])
    world.drain()
    world.sandbox.accounts.revoke(world.remote_token)
    erase(world, ann)
    privacy.proceed(now=timezone.now())
    world.flush(2)
    batch = Sync.objects.get(purpose="erasure").batches.get()
    assert batch.deadline_at - batch.first_failed_at == timedelta(days=30)
    privacy.proceed(now=timezone.now())
    assert Erasure.objects.get().state == "removing"


def test_a_repeated_step_queues_nobody_twice(world, ann):
    world.enter(world.sync(), [ann])
    world.drain()
    erase(world, ann)
    privacy.proceed(now=timezone.now())
    Erasure.objects.update(asked_at=None)
    privacy.proceed(now=timezone.now())
    assert Delivery.objects.filter(sync__purpose="erasure").count() == 1
    carry_on(world)


def test_who_was_never_sent_is_gone_at_once(world, ann):
    PastIdentifier.objects.create(profile=ann, kind="email", sha256=b"x" * 32)
    erase(world, ann)
    carry_on(world)
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
def test_nobody_comes_back_by_a_file(world, ann, change):
    erase(world, ann)
    carry_on(world)
    changes = [change, Change(external_id="bert")]
    done = upsert(world.app_group, changes, now=timezone.now(), from_file=True)
    assert done.problems == {0: "erased"}
    assert Profile.objects.get().external_id == "bert"


def test_the_ledger_names_nobody(world, ann):
    erase(world, ann)
    assert erasure_ledger.file() == ErasedName.objects.count() == 2
    assert erasure_ledger.file() == 0


def test_after_a_restore_they_are_erased_again(world, ann, settings, tmp_path):
    erase(world, ann)
    erasure_ledger.file()
    carry_on(world)
    ErasedName.objects.all().delete()  # the backup is older than the erasure
    Erasure.objects.all().delete()
    back = Profile(app_group=world.app_group, external_id="ann", email=EMAIL)
    normalise.apply(back, region="DE")
    back.save()
    world.people(3)
    with open(settings.ERASURE_LEDGER, "a") as out:
        out.write('{"group": 1, "ki')  # cut off by a crash
    assert privacy.erase_again(tmp_path / "erasures.jsonl", now=timezone.now()) == 1
    carry_on(world)
    assert Profile.everybody.count() == 3
