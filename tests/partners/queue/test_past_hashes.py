"""Removals with past hashes fit into their requests, and each person gets the right outcome."""

import dataclasses

import pytest

from audiencesync.people.models import PastIdentifier
from partners.models import Delivery, Push
from tiktok_sandbox.limits import DEFAULT

pytestmark = pytest.mark.thorough


def test_a_removal_with_too_many_past_hashes_is_split(world):
    tight = dataclasses.replace(DEFAULT, app_rate=None, people_per_request=10)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=tight)
    audience, people = world.create_audience(), world.create_people(6)
    remove = world.create_sync(audience, "remove")
    for person in people:
        for old in b"ab":
            PastIdentifier.objects.create(
                profile=person, kind="email", sha256=bytes([old, person.pk % 256]) * 16
            )
    world.enter(remove, people)
    world.drain()
    assert world.counts(remove) == {"entered": 6, "synced": 6}


def test_past_hashes_of_one_person_may_exceed_the_published_limit(world, settings):
    settings.TIKTOK_PRESET = "published_by_tiktok"
    audience, [person] = world.create_audience(), world.create_people(1)
    remove = world.create_sync(audience, "remove")
    for old in b"ab":
        PastIdentifier.objects.create(profile=person, kind="email", sha256=bytes([old]) * 32)
    world.enter(remove, [person])
    world.flush()
    assert world.counts(remove) == {"entered": 1, "synced": 1}


def test_an_erased_person_is_cancelled_beside_past_hashes_of_others(world):
    audience, people = world.create_audience(), world.create_people(3)
    remove = world.create_sync(audience, "remove")
    PastIdentifier.objects.create(profile=people[0], kind="email", sha256=b"o" * 32)
    world.enter(remove, people)
    people[1].delete()
    world.drain()
    assert world.counts(remove) == {"entered": 3, "cancelled": 1, "synced": 2}


def test_a_named_row_errors_the_person_of_that_row(world):
    audience, people = world.create_audience(), world.create_people(3)
    remove = world.create_sync(audience, "remove")
    PastIdentifier.objects.create(profile=people[0], kind="email", sha256=b"o" * 32)
    people[0].email_sha256 = None
    people[0].save()
    world.enter(remove, people)
    # A row of people[1] stands before that of people[0], who has only a past hash.
    world.set_fault("partial", hash=people[1].email_sha256.hex(), named=True, count=1)
    world.drain()
    [wrong] = Delivery.objects.filter(outcome="errored").values_list("profile", flat=True)
    assert wrong == people[1].pk


def test_a_named_past_hash_errors_its_person(world):
    audience, people = world.create_audience(), world.create_people(3)
    remove = world.create_sync(audience, "remove")
    PastIdentifier.objects.create(profile=people[1], kind="email", sha256=b"o" * 32)
    world.enter(remove, people)
    world.set_fault("partial", hash="6f" * 32, named=True, count=1)  # the past hash of people[1]
    world.drain()
    assert world.counts(remove) == {"entered": 3, "errored": 1, "synced": 2}
    assert Delivery.objects.get(outcome="errored").profile == people[1]


def test_batches_that_fit_only_without_past_hashes_are_sent_apart(world):
    world.eu.learned_cap = 10
    world.eu.save()
    audience, people = world.create_audience(), world.create_people(10)
    for person in people:
        PastIdentifier.objects.create(
            profile=person, kind="email", sha256=bytes([1, person.pk % 256]) * 16
        )
    for half in (people[:5], people[5:]):
        world.enter(world.create_sync(audience, "remove"), half)
    world.drain()
    assert list(Push.objects.values_list("people", "code")) == [(10, "0"), (10, "0")]
