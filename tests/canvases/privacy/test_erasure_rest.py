"""The rest of an erasure: the hashes stay for a while, so that a removal can be repeated after an add that came late."""

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

REST = timedelta(seconds=900)


@pytest.fixture(autouse=True)
def _rest(settings, tmp_path, world):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    settings.SYNC = settings.SYNC | {"erasure_rest": REST.total_seconds()}


@pytest.fixture
def ann(world):
    return world.people()[0]


def erase(world, person):
    """Ask, queue the removals and send them; when the last of them was settled."""
    privacy.erase(world.app_group, [person.pk], asked_by="Alice", now=timezone.now())
    privacy.proceed(now=timezone.now())
    world.drain()
    privacy.proceed(now=timezone.now())
    return Batch.objects.filter(settled_at__isnull=False).latest("settled_at").settled_at


def state():
    return Erasure.objects.get().state


def test_the_hashes_stay_until_the_rest_is_over(world, ann):
    audience = world.audience()
    world.enter(world.sync(audience), [ann])
    world.drain()
    last = erase(world, ann)
    assert world.members(audience) == 0
    privacy.proceed(now=last + REST - timedelta(seconds=1))
    assert (state(), Profile.everybody.count()) == ("removing", 1)
    privacy.proceed(now=last + REST)
    assert (state(), Profile.everybody.count()) == ("done", 0)
    assert Erasure.objects.get().places[0]["state"] == "synced"


def test_who_was_never_asked_to_be_added_has_no_rest(world, ann):
    privacy.erase(world.app_group, [ann.pk], asked_by="Alice", now=timezone.now())
    privacy.proceed(now=timezone.now())
    assert state() == "done"


def test_an_add_that_comes_during_the_rest_is_taken_back_and_that_is_waited_for(world, ann):
    audience = world.audience()
    world.enter(world.sync(audience), [ann])
    late = world.frozen_before_the_call()
    last = erase(world, ann)
    settle.settle(send(late, at=0), now=timezone.now())
    assert world.members(audience) == 1
    privacy.proceed(now=last + REST)
    assert state() == "removing"
    world.drain()
    assert world.members(audience) == 0
    privacy.proceed(now=last + 2 * REST)
    assert state() == "done"


def test_an_add_of_whoever_turned_out_to_be_the_person_is_taken_back_too(world, acme, ann):
    upsert(
        acme,
        [Change(alias=("web", "cookie"), fields={"email": "c@example.org"})],
        now=timezone.now(),
    )
    visitor = Profile.objects.get(external_id=None)
    audience = world.audience()
    world.enter(world.sync(audience), [visitor])
    late = world.frozen_before_the_call()
    wish = Identity(("alias", ("web", "cookie")), ann.external_id)
    assert identify(acme, [wish], now=timezone.now()) == [None]
    erase(world, ann)
    settle.settle(send(late, at=0), now=timezone.now())
    assert world.members(audience) == 1
    world.drain()
    assert world.members(audience) == 0


def test_what_waits_for_long_is_looked_at_seldom_and_found_when_it_is_over(
    world, ann, django_assert_num_queries
):
    world.enter(world.sync(), [ann])
    world.drain()
    world.fault("code", code=50000)
    privacy.erase(world.app_group, [ann.pk], asked_by="Alice", now=timezone.now())
    privacy.proceed(now=timezone.now())
    much_later = timezone.now() + timedelta(days=3)
    privacy.proceed(now=much_later)
    with django_assert_num_queries(2):
        privacy.proceed(now=much_later + privacy.SELDOM / 2)
    world.sandbox.faults.clear()
    world.drain()
    privacy.proceed(now=much_later + privacy.SELDOM)
    assert state() == "done"


def test_a_clock_that_was_wrong_keeps_nobody_waiting(world, ann):
    world.enter(world.sync(), [ann])
    world.drain()
    last = erase(world, ann)
    Batch.objects.update(settled_at=last + timedelta(days=400))
    Erasure.objects.update(look_at=last + timedelta(days=400))
    privacy.proceed(now=last)
    assert state() == "done"
