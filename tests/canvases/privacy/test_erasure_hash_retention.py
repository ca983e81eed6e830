"""Hashes of an erased person are kept for a while, to repeat a removal after a late add."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import Erasure, Profile
from audiencesync.people.writing.identify import Identity, identify
from audiencesync.people.writing.upsert import upsert
from canvases.privacy import erase as privacy
from partners.models import Batch
from partners.queue import settle
from partners.queue.push import send

pytestmark = pytest.mark.thorough

RETENTION = timedelta(seconds=900)


@pytest.fixture(autouse=True)
def _retention(settings, tmp_path, world):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    settings.SYNC = settings.SYNC | {"erasure_rest": RETENTION.total_seconds()}


@pytest.fixture
def person(world):
    return world.create_people()[0]


def erase(world, person):
    """Erase and send all removals. Return when the last one was settled."""
    privacy.erase(world.app_group, [person.pk], asked_by="Alice", now=timezone.now())
    privacy.proceed(now=timezone.now())
    world.drain()
    privacy.proceed(now=timezone.now())
    return Batch.objects.filter(settled_at__isnull=False).latest("settled_at").settled_at


def state():
    return Erasure.objects.get().state


def test_hashes_are_kept_until_the_retention_ends(world, person):
    audience = world.create_audience()
    world.enter(world.create_sync(audience), [person])
    world.drain()
    last = erase(world, person)
    assert world.members(audience) == 0
    privacy.proceed(now=last + RETENTION - timedelta(seconds=1))
    assert (state(), Profile.everybody.count()) == ("removing", 1)
    privacy.proceed(now=last + RETENTION)
    assert (state(), Profile.everybody.count()) == ("done", 0)
    assert Erasure.objects.get().places[0]["state"] == "synced"


def test_a_person_without_deliveries_is_deleted_at_once(world, person):
    privacy.erase(world.app_group, [person.pk], asked_by="Alice", now=timezone.now())
    privacy.proceed(now=timezone.now())
    assert state() == "done"


def test_a_late_add_is_reverted_before_the_erasure_ends(world, person):
    audience = world.create_audience()
    world.enter(world.create_sync(audience), [person])
    late = world.build_late_request()
    last = erase(world, person)
    settle.settle(send(late, at=0), now=timezone.now())
    assert world.members(audience) == 1
    privacy.proceed(now=last + RETENTION)
    assert state() == "removing"
    world.drain()
    assert world.members(audience) == 0
    privacy.proceed(now=last + 2 * RETENTION)
    assert state() == "done"


def test_a_late_add_of_a_merged_profile_is_reverted(world, acme, person):
    upsert(
        acme,
        [Change(alias=("web", "cookie"), fields={"email": "c@example.org"})],
        now=timezone.now(),
    )
    anonymous = Profile.objects.get(external_id=None)
    audience = world.create_audience()
    world.enter(world.create_sync(audience), [anonymous])
    late = world.build_late_request()
    identity = Identity(("alias", ("web", "cookie")), person.external_id)
    assert identify(acme, [identity], now=timezone.now()) == [None]
    erase(world, person)
    settle.settle(send(late, at=0), now=timezone.now())
    assert world.members(audience) == 1
    world.drain()
    assert world.members(audience) == 0


def test_a_long_blocked_erasure_is_checked_rarely_and_still_ends(
    world, person, django_assert_num_queries
):
    world.enter(world.create_sync(), [person])
    world.drain()
    world.set_fault("code", code=50000)
    privacy.erase(world.app_group, [person.pk], asked_by="Alice", now=timezone.now())
    privacy.proceed(now=timezone.now())
    much_later = timezone.now() + timedelta(days=3)
    privacy.proceed(now=much_later)
    with django_assert_num_queries(2):
        privacy.proceed(now=much_later + privacy.MAX_LOOK_INTERVAL / 2)
    world.sandbox.faults.clear()
    world.drain()
    privacy.proceed(now=much_later + privacy.MAX_LOOK_INTERVAL)
    assert state() == "done"


def test_a_timestamp_far_ahead_does_not_delay_the_erasure(world, person):
    world.enter(world.create_sync(), [person])
    world.drain()
    last = erase(world, person)
    Batch.objects.update(settled_at=last + timedelta(days=400))
    Erasure.objects.update(look_at=last + timedelta(days=400))
    privacy.proceed(now=last)
    assert state() == "done"
