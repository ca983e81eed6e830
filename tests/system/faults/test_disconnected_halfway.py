"""F36: TikTok is disconnected while half of the people are sent and a request is under way."""

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
def leave(town, alice):
    """leave(discard=...) disconnects while 500 people are there and the first of 500 more are under way."""
    asked = town.sync()
    town.enter(asked, town.people(500))
    town.settle()
    AdAccount.objects.update(learned_cap=10)
    town.enter(asked, town.people(500))
    town.fault("slow", seconds=0.8)

    def make(*, discard):
        threads = Threads()
        threads.start(lambda: town.flush(seconds=3.0))
        wait_until(Batch.objects.exclude(lease="").exists)
        connect.disconnect(Connection.objects.get(), discard=discard, by=alice, now=timezone.now())
        assert threads.join() == []
        town.sandbox.faults.clear()
        sent = len(town.mappings())
        town.beats(0.5)
        assert len(town.mappings()) == sent
        return asked

    return make


def test_discarded_people_are_cancelled_and_never_sent(town, leave):
    counts = town.counts(leave(discard=True))
    assert counts["synced"] + counts["cancelled"] == counts["entered"] == 1000
    assert counts["cancelled"] > 0
    assert Connection.objects.get().token_sealed == ""
    town.judge("cancelled")


def test_waiting_people_are_sent_after_a_reconnect(town, leave):
    asked = leave(discard=False)
    counts = town.counts(asked)
    assert counts["synced"] + counts["pending"] == 1000
    assert counts["pending"] > 0
    connection = Connection.objects.get()
    assert connection.token_sealed == ""
    connection.set_token(town.sandbox.accounts.issue_token(MARA))
    connection.save()
    AdAccount.objects.update(is_chosen=True)
    sync.retry_now(connection)
    town.settle()
    assert town.counts(asked) == {"entered": 1000, "synced": 1000}
    town.judge()
