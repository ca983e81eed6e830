"""A row that kills every worker is isolated like a poison row; other rows are synced."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from partners.models import Batch, Delivery
from partners.queue import collect, flush
from partners.tiktok.partner import TikTok

pytestmark = pytest.mark.thorough


class WorkerDied(BaseException):
    """The death of a worker: no handler catches it."""


@pytest.fixture
def make_deadly(world, monkeypatch):
    """make_deadly(person): building a body with this person's hash kills the worker."""
    build = TikTok.build_call

    def kill_worker_at(person):
        digest = person.email_sha256

        def killing(self, ad_account_id, action, kinds, cells):
            if any(digest in row for cell in cells for row in cell.rows):
                raise WorkerDied
            return build(self, ad_account_id, action, kinds, cells)

        monkeypatch.setattr("partners.tiktok.partner.TikTok.build_call", killing)

    return kill_worker_at


def _beat():
    """Run a beat in a worker that may die, then let its leases expire. Return whether it died."""
    died = False
    try:
        flush.beat()
    except WorkerDied:
        died = True
    Batch.objects.exclude(lease="").update(lease_until=timezone.now())
    return died


def _beat_to_rest(max_beats=60):
    """Beat until no batch is pending; return how many workers died."""
    deaths = 0
    for _ in range(max_beats):
        deaths += _beat()
        if not Batch.objects.filter(state="pending").exists():
            break
    return deaths


def test_only_the_crashing_row_is_errored(world, make_deadly):
    sync_row, people = world.create_sync(), world.create_people(16)
    make_deadly(people[5])
    world.enter(sync_row, people)
    others = world.create_sync(world.create_audience("others"))
    world.enter(others, world.create_people(3))
    deaths = _beat_to_rest()
    assert world.counts(others) == {"entered": 3, "synced": 3}
    assert world.counts(sync_row) == {"entered": 16, "errored": 1, "synced": 15}
    errored = Delivery.objects.get(batch__state="errored", outcome=None)
    assert (errored.profile_id, errored.batch.last_code) == (people[5].pk, "internal")
    assert deaths <= 3 + 4 + 4  # before the first split, while splitting, and alone


def test_other_batches_are_sent_before_a_suspect(world, make_deadly):
    sync_row, people = world.create_sync(), world.create_people(2)
    make_deadly(people[0])
    world.enter(sync_row, people)
    assert _beat()
    later = world.create_sync(world.create_audience("later"))
    world.enter(later, world.create_people(3))
    assert _beat()
    assert world.counts(later) == {"entered": 3, "synced": 3}


@pytest.mark.parametrize("n", [1, 8])
def test_batches_that_lost_workers_to_deployments_are_synced(world, n):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(n))
    for _ in range(5):
        for request in collect.plan(world.eu.lane, most=4, now=timezone.now()):
            assert collect.lease_batches(request, now=timezone.now())
        Batch.objects.exclude(lease="").update(lease_until=timezone.now())
        collect.reclaim(now=timezone.now())
    _beat_to_rest()
    assert world.counts(sync_row) == {"entered": n, "synced": n}


def test_an_answer_resets_the_crash_count(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(4))
    [request] = collect.plan(world.eu.lane, most=4, now=timezone.now())
    collect.lease_batches(request, now=timezone.now())
    Batch.objects.update(lease_until=timezone.now())
    world.set_fault("code", code=50000, count=1)
    flush.beat()
    # Two attempts: that of the lost worker and the one with an answer.
    assert {batch.crashes for batch in Batch.objects.filter(attempts=2)} == {0}


def test_a_suspect_batch_is_sent_alone(world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(4))
    Batch.objects.update(crashes=2, sharing=Batch.Sharing.ALONE)
    world.enter(world.create_sync(world.create_audience("others")), world.create_people(3))
    world.set_fault("slow", seconds=0.5)
    world.drain()
    first, second = sorted(world.mappings(), key=lambda line: line.at)
    assert (first.people, second.people) == (3, 4)
    assert second.at - first.at >= 0.5
    assert not Profile.objects.exclude(deliveries__batch__state="synced").exists()
