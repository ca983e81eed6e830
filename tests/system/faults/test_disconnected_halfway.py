"""F36: TikTok is disconnected while half of the people are synced and a request is under way."""

import pytest
from django.utils import timezone

from partners import sync
from partners.connections import connect
from partners.models import AdAccount, Batch, Connection
from tests.support.stack import wait_until
from tests.support.threads import Threads
from tiktok_sandbox.seed import MARA

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def disconnect_halfway(world, alice):
    """disconnect_halfway(discard=...) -> a Sync with 500 people synced and 500 more under way."""
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(500))
    world.drain()
    AdAccount.objects.update(learned_cap=10)
    world.enter(to_sync, world.create_people(500))
    # In its 3 s the flush begins 16 of the 50 requests twice, however long the disconnect takes.
    world.set_fault("slow", seconds=1.6)

    def flush_and_disconnect(*, discard):
        threads = Threads()
        threads.start(lambda: world.flush(seconds=3.0))
        wait_until(Batch.objects.exclude(lease="").exists)
        connect.disconnect(Connection.objects.get(), discard=discard, by=alice, now=timezone.now())
        assert threads.join() == []
        world.sandbox.faults.clear()
        n_sent = len(world.mappings())
        world.beat_for(0.5)
        assert len(world.mappings()) == n_sent
        return to_sync

    return flush_and_disconnect


def test_discarded_people_are_cancelled_and_never_sent(world, disconnect_halfway):
    counts = world.counts(disconnect_halfway(discard=True))
    assert counts["synced"] + counts["cancelled"] == counts["entered"] == 1000
    assert counts["cancelled"] > 0
    assert Connection.objects.get().token_sealed == ""
    world.check_at_rest("cancelled")


def test_pending_people_are_sent_after_a_reconnect(world, disconnect_halfway):
    to_sync = disconnect_halfway(discard=False)
    counts = world.counts(to_sync)
    assert counts["synced"] + counts["pending"] == 1000
    assert counts["pending"] > 0
    connection = Connection.objects.get()
    assert connection.token_sealed == ""
    connection.set_token(world.sandbox.accounts.issue_token(MARA))
    connection.save()
    AdAccount.objects.update(is_chosen=True)
    sync.retry_now(connection)
    world.drain()
    assert world.counts(to_sync) == {"entered": 1000, "synced": 1000}
    world.check_at_rest()
