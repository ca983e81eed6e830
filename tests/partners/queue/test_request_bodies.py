"""Answers apply to the body as it was built, late bodies are not sent, wrong sizes are errored."""

import time

import pytest
from django.utils import timezone

from audiencesync.people.models import PastIdentifier
from partners.models import Batch, Delivery, Tally
from partners.queue import collect, flush, settle
from partners.queue.push import pack, send

pytestmark = pytest.mark.thorough


def _lease_request(world, post_by=float("inf")):
    [request] = collect.plan(world.eu.lane, most=1, now=timezone.now())
    assert collect.lease_batches(request, now=timezone.now())
    return pack(request, post_by=post_by, most_rows=10_000)


def test_a_past_hash_stored_during_the_call_shifts_no_named_row(world):
    audience, people = world.create_audience(), world.create_people(4)
    first, second = (
        world.create_sync(audience, "remove"),
        world.create_sync(world.create_audience("other"), "remove"),
    )
    world.enter(first, people[:2])
    world.enter(second, people[2:])
    PastIdentifier.objects.create(profile=people[2], kind="email", sha256=b"a" * 32)
    parcel = _lease_request(world)
    for digest in b"bcd":
        PastIdentifier.objects.create(profile=people[0], kind="email", sha256=bytes([digest]) * 32)
    world.set_fault("partial", hash=people[2].email_sha256.hex(), named=True, count=1)
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert list(Delivery.objects.filter(outcome="errored").values_list("profile", flat=True)) == [
        people[2].pk
    ]


def test_no_call_is_made_after_its_deadline(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    parcel = _lease_request(world, post_by=time.monotonic() - 1)
    settle.settle(send(parcel, at=0), now=timezone.now())
    assert world.mappings() == []
    assert world.counts(sync_row) == {"entered": 3, "pending": 3}
    world.flush()
    assert world.counts(sync_row) == {"entered": 3, "synced": 3}


@pytest.mark.usefixtures("late_requests_are_sent")
def test_a_run_books_no_call_after_its_own_end(world, settings):
    """At one request in five seconds, a run of four seconds leaves the second to the next run."""
    settings.SYNC = settings.SYNC | {"requests_per_second": 0.2}
    for name in ("one", "two"):
        sync_row = world.create_sync(world.create_audience(name))
        world.enter(sync_row, world.create_people(1))
        Batch.objects.update(sharing=Batch.Sharing.ALONE)
    flush.Flush(seconds=4).run()
    assert len(world.mappings()) == 1
    assert Batch.objects.filter(state="pending", lease="").count() == 1


def test_a_batch_with_a_wrong_size_is_errored_at_its_deadline(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))
    Batch.objects.update(n=4)  # such as after a bug or a manual change of the database
    Tally.objects.update(entered=4, pending=4)
    world.flush(seconds=0.5)
    assert Batch.objects.get().state == "pending"
    Batch.objects.update(deadline_at=timezone.now(), due_at=timezone.now())
    world.flush(seconds=60)
    assert (Batch.objects.get().state, Batch.objects.get().last_code) == ("errored", "internal")
    assert world.counts(sync_row) == {"entered": 4, "errored": 4}
