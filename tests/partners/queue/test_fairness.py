"""A tenant (app group) with many pending people does not delay others."""

import pytest

from partners.models import AdAccount, Batch, Connection
from partners.models.batch_queries import LARGE
from partners.queue import flush
from tiktok_sandbox.limits import DEFAULT

pytestmark = pytest.mark.thorough

# Requests that may be sent before a newcomer's: those planned, and those of the 16 threads.
MOST_BEFORE = flush.MAX_REQUESTS_PER_PLAN + 16


def _requests_before(world, sync_row):
    """Return the number of requests before the first one to this audience."""
    return [line.audiences for line in world.mappings()].index([sync_row.audience.remote_id])


def _flush_until_sent(world, sync_row):
    """Flush until the sync has no pending people, for at most 200 runs."""
    for _ in range(200):
        world.flush(seconds=1)
        if "pending" not in world.counts(sync_row):
            return


def _cap(ad_account, people):
    ad_account.learned_cap = people
    ad_account.save()


@pytest.fixture
def two_tenants(world, other_group):
    """Two tenants: one with 1,000 pending people in 100 requests, one with 10 people."""
    connection = Connection(partner="tiktok", app_group=other_group)
    connection.set_token(world.remote_token)
    connection.save()
    uk = AdAccount.objects.create(
        connection=connection, remote_id=world.uk.remote_id, name="Umbrella"
    )
    _cap(world.eu, 10)
    many, few = world.create_sync(), world.create_sync(world.create_audience("few", uk))
    world.enter(many, world.create_people(1000))
    world.enter(few, world.create_people(10))
    assert Batch.objects.filter(sync=many).count() == 100
    return many, few


def test_a_tenant_with_few_people_is_served_first(world, two_tenants):
    many, few = two_tenants
    world.drain()
    assert _requests_before(world, few) <= MOST_BEFORE
    assert world.counts(few) == {"entered": 10, "synced": 10}
    assert world.counts(many) == {"entered": 1000, "synced": 1000}
    assert len(world.mappings()) == 101


def test_a_failing_tenant_delays_no_other_tenant(world, two_tenants):
    many, few = two_tenants
    world.set_fault("code", code=50000, advertiser_id=world.eu.remote_id)
    _flush_until_sent(world, few)
    assert _requests_before(world, few) <= MOST_BEFORE
    assert world.counts(few) == {"entered": 10, "synced": 10}
    assert world.counts(many) == {"entered": 1000, "pending": 1000}


def test_small_batches_go_before_bulk_of_the_same_ad_account(world):
    _cap(world.eu, LARGE)
    bulk, trickle = world.create_sync(), world.create_sync(world.create_audience("trickle"))
    world.enter(bulk, world.create_people(5 * LARGE))
    world.enter(trickle, world.create_people(3))
    assert Batch.objects.filter(sync=bulk).count() == 5
    world.drain()
    assert _requests_before(world, trickle) <= flush.MAX_REQUESTS_PER_PLAN
    assert [line.people for line in world.mappings()].count(LARGE) == 5


def test_blocked_batches_hide_no_free_batch(world, monkeypatch):
    """There are more blocked batches than one plan reads (CANDIDATES)."""
    monkeypatch.setattr(flush.collect, "CANDIDATES", 3)
    audience, people = world.create_audience(), world.create_people(6)
    add = world.create_sync(audience)
    for person in people:
        world.enter(add, [person])
    # The first add is in flight at another worker, and the removals wait for it.
    Batch.objects.filter(seq=1).update(lease="elsewhere", lease_until=None)
    remove = world.create_sync(audience, "remove")
    for person in people[1:]:
        world.enter(remove, [person])
    other = world.create_sync(world.create_audience("other"))
    world.enter(other, world.create_people(2))
    Batch.objects.filter(sync=other).update(due_at=Batch.objects.latest("due_at").due_at)
    _flush_until_sent(world, other)
    assert world.counts(other) == {"entered": 2, "synced": 2}


def test_small_batches_share_requests_up_to_ten_audiences(world):
    """Small batches of ten audiences share a request, an eleventh needs another."""
    assert DEFAULT.people_per_request == 10_000  # so this limit causes no second request
    syncs = [world.create_sync(world.create_audience(f"a{n}")) for n in range(11)]
    for sync_row in syncs:
        world.enter(sync_row, world.create_people(4))
    world.drain()
    assert sorted((len(line.audiences), line.people) for line in world.mappings()) == [
        (1, 4),
        (10, 40),
    ]
