"""Rejected content is narrowed down by splitting; rejected sizes teach a cap."""

import dataclasses

import pytest
from django.utils import timezone

from partners.models import AdAccount, Audience, Batch, Delivery
from partners.queue import collect
from tiktok_sandbox import params
from tiktok_sandbox.endpoints import segment
from tiktok_sandbox.limits import DEFAULT

pytestmark = pytest.mark.thorough


def _poison(world, person):
    world.set_fault("poison", hash=person.email_sha256.hex())


def test_one_poison_row_is_errored_alone(world):
    sync_row, people = world.create_sync(), world.create_people(1000)
    _poison(world, people[537])
    world.enter(sync_row, people)
    world.drain()
    assert world.counts(sync_row) == {"entered": 1000, "errored": 1, "synced": 999}
    assert world.members(sync_row.audience) == 999
    assert (
        Delivery.objects.get(batch__state="errored", batch__n=1, outcome=None).profile_id
        == people[537].pk
    )
    assert len(world.mappings()) <= 22  # 2 * log2(n) + 2


def test_several_poison_rows_are_found(world):
    sync_row, people = world.create_sync(), world.create_people(64)
    for index in (0, 31, 32, 63):
        _poison(world, people[index])
    world.enter(sync_row, people)
    world.drain()
    assert world.counts(sync_row) == {"entered": 64, "errored": 4, "synced": 60}


def test_a_poison_row_of_one_audience_leaves_other_audiences_alone(world):
    bad, good = (
        world.create_sync(world.create_audience("bad")),
        world.create_sync(world.create_audience("good")),
    )
    people = world.create_people(8)
    _poison(world, people[3])
    world.enter(bad, people)
    world.enter(good, world.create_people(5))
    world.drain()
    assert world.counts(bad) == {"entered": 8, "errored": 1, "synced": 7}
    assert world.counts(good) == {"entered": 5, "synced": 5}


def test_a_rejected_size_teaches_a_cap(world):
    tight = dataclasses.replace(DEFAULT, people_per_request=40, app_rate=None)
    world.sandbox.options = dataclasses.replace(world.sandbox.options, limits=tight)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(100))
    world.drain()
    assert world.counts(sync_row) == {"entered": 100, "synced": 100}
    assert AdAccount.objects.get(pk=world.eu.pk).learned_cap == 25  # 100 and 50 were too many
    later = world.create_sync(Audience.objects.get(pk=sync_row.audience_id))
    world.enter(later, world.create_people(60))
    assert sorted(Batch.objects.filter(sync=later).values_list("n", flat=True)) == [10, 25, 25]


def test_named_rows_are_errored_and_the_others_synced(world):
    world.set_fault("partial", rows=[1, 3], named=True, count=1)
    sync_row, people = world.create_sync(), world.create_people(5)
    world.enter(sync_row, people)
    world.drain()
    assert world.counts(sync_row) == {"entered": 5, "errored": 2, "synced": 3}
    errored = Delivery.objects.filter(outcome="errored").values_list("profile", "reason")
    assert set(errored) == {(pk, "20001") for pk in world.absent(sync_row.audience, people)}


def test_a_partial_success_without_named_rows_is_sent_once_more(world):
    world.set_fault("partial", rows=[1], named=False, count=1)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(5))
    world.drain()
    assert world.counts(sync_row) == {"entered": 5, "synced": 5}
    assert len(world.mappings()) == 2


def test_named_rows_outside_the_request_count_as_unnamed(world, monkeypatch):
    monkeypatch.setattr(segment, "failed_rows", lambda _fault, batch: {3, len(batch.rows)})
    world.set_fault("partial", named=True, count=1)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(5))
    world.drain()
    assert world.counts(sync_row) == {"entered": 5, "synced": 5}
    assert len(world.mappings()) == 2
    assert world.members(sync_row.audience) == 5


def _reject_more_than(world, monkeypatch, most):
    """Let the sandbox answer 40002, as for bad content, to more than ``most`` people."""

    def wrong(batch, limits):
        if batch.n_people > most:
            raise params.wrong("batch_data", "is odd")

    monkeypatch.setattr(segment, "require_size", wrong)


def test_a_size_rejected_as_bad_content_teaches_a_cap(world, monkeypatch):
    _reject_more_than(world, monkeypatch, 300)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(1000))
    world.drain()
    assert world.counts(sync_row) == {"entered": 1000, "synced": 1000}
    assert AdAccount.objects.get(pk=world.eu.pk).learned_cap == 250  # 500 were too many
    before = len(world.mappings())
    later = world.create_sync(Audience.objects.get(pk=sync_row.audience_id))
    world.enter(later, world.create_people(500))
    world.drain()
    assert [line.people for line in world.mappings()[before:]] == [250, 250]


def test_poison_rows_in_both_halves_teach_no_cap(world):
    sync_row, people = world.create_sync(), world.create_people(64)
    for index in (3, 40):
        _poison(world, people[index])
    world.enter(sync_row, people)
    world.drain()
    assert world.counts(sync_row) == {"entered": 64, "errored": 2, "synced": 62}
    assert AdAccount.objects.get(pk=world.eu.pk).learned_cap is None


def test_a_temporary_rejection_teaches_no_cap(world):
    world.set_fault("code", code=40002, count=4)
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(64))
    world.drain()
    assert world.counts(sync_row) == {"entered": 64, "synced": 64}
    assert AdAccount.objects.get(pk=world.eu.pk).learned_cap is None


def test_a_batch_narrowed_to_its_audience_is_sent_with_no_other_one(world):
    narrowed, other = world.create_sync(), world.create_sync(world.create_audience("other"))
    for sync_row in (narrowed, narrowed, other):
        world.enter(sync_row, world.create_people(1))
    # A batch that was refused together with others joins a newer one of its audience.
    refused = Batch.objects.filter(sync=narrowed).latest("seq")
    Batch.objects.filter(pk=refused.pk).update(sharing=Batch.Sharing.AUDIENCE)
    requests = collect.plan(world.eu.lane, most=8, now=timezone.now())
    assert [len(request.audience_ids) for request in requests] == [1, 1]
