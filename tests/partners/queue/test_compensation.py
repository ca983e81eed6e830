"""A repeated removal (compensation) keeps to the caps of a request and isolates poison rows."""

import dataclasses

import pytest
from django.utils import timezone

from partners.models import AdAccount, Batch
from partners.queue import collect, settle
from partners.queue.push import pack, send
from tiktok_sandbox.limits import DEFAULT

pytestmark = pytest.mark.thorough


def _late_add_after_a_removal(world, n):
    """Send an add late, after the removal of its people was synced, so that this is repeated.

    Return the audience, the Sync of the removal, and the people.
    """
    audience, people = world.create_audience(), world.create_people(n)
    world.enter(world.create_sync(audience), people)
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    parcel = pack(request, post_by=float("inf"), most_rows=10_000)
    Batch.objects.update(lease_until=timezone.now())
    collect.reclaim(now=timezone.now())
    world.flush()
    remove = world.create_sync(audience, "remove")
    world.enter(remove, people)
    world.flush()
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert world.members(audience) == n
    return audience, remove, people


def test_a_repeated_removal_is_split_to_the_learned_cap(world):
    audience, remove, _people = _late_add_after_a_removal(world, 20)
    AdAccount.objects.update(learned_cap=6)
    before = len(world.mappings())
    world.drain()
    assert world.members(audience) == 0
    assert world.counts(remove) == {"entered": 20, "synced": 20}
    assert [line.people for line in world.mappings()[before:]] == [5, 5, 5, 5]


def test_a_repeated_removal_that_is_too_large_teaches_a_cap(world):
    audience, remove, _people = _late_add_after_a_removal(world, 20)
    tight = dataclasses.replace(DEFAULT, people_per_request=6, app_rate=None)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=tight)
    world.drain()
    assert world.members(audience) == 0
    assert Batch.objects.exclude(repeat_of=None).exclude(state="synced").count() == 0
    assert AdAccount.objects.get(pk=world.eu.pk).learned_cap == 5
    assert world.counts(remove) == {"entered": 20, "synced": 20}


def test_a_poison_row_in_a_repeated_removal_blocks_only_itself(world):
    audience, _remove, people = _late_add_after_a_removal(world, 16)
    world.set_fault("poison", hash=people[5].email_sha256.hex())
    world.drain()
    assert world.members(audience) == 1
