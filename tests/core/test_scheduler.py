"""Brokers deliver due beats before queued tasks, and survive every error."""

import time

import pytest
import redis
from django.db import OperationalError
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from audiencesync.core import beat
from audiencesync.core.beat import Ticker, TickOrm, TickRedis

pytestmark = pytest.mark.thorough

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _one_beat(settings, monkeypatch):
    settings.BEATS = {"journeys": (5.0, "canvases.engine.beat")}
    monkeypatch.setattr(beat, "ERROR_PAUSE", 0.0)


def functions(packages):
    """Return the names of the functions to call."""
    return [SignedPackage.loads(package)["func"] for _ack_id, package in packages or []]


HEARTBEAT, BEAT = "audiencesync.core.beat.heartbeat", "canvases.engine.beat"


def test_a_slot_gives_heartbeat_and_beat_once(transactional_db):
    ticker = Ticker()
    assert functions(ticker.due(NOW)) == [HEARTBEAT, BEAT]
    assert functions(ticker.due(NOW + 4.9)) == []
    assert functions(ticker.due(NOW + 5.0)) == [HEARTBEAT, BEAT]


def test_a_second_engine_gets_only_its_own_heartbeat(transactional_db):
    assert functions(Ticker().due(NOW)) == [HEARTBEAT, BEAT]
    assert functions(Ticker().due(NOW)) == [HEARTBEAT]


def test_missed_slots_are_not_repeated(transactional_db):
    ticker = Ticker()
    ticker.due(NOW)
    assert functions(ticker.due(NOW + 3600)) == [HEARTBEAT, BEAT]
    assert functions(ticker.due(NOW + 3601)) == []


def test_beats_are_neither_redelivered_nor_stored(transactional_db):
    packages = Ticker().due(NOW)
    assert functions(packages) == [HEARTBEAT, BEAT]
    for ack_id, package in packages:
        assert ack_id is None
        assert SignedPackage.loads(package)["save"] is False
    assert OrmQ.objects.count() == 0


def test_beats_come_before_queued_tasks(transactional_db, time_machine):
    time_machine.move_to(NOW, tick=False)  # no other slot begins within the test
    broker = TickOrm("test")
    async_task("builtins.len", "abc", broker=broker)
    time_machine.shift(1.0)  # tasks of this very instant are not yet due
    assert functions(broker.dequeue()) == [HEARTBEAT, BEAT]
    assert functions(broker.dequeue()) == ["builtins.len"]


def test_without_a_database_heartbeats_continue_and_beats_are_delayed(
    transactional_db, database_away, caplog
):
    ticker = Ticker()
    with database_away():
        assert functions(ticker.due(NOW)) == [HEARTBEAT]
        assert functions(ticker.due(NOW + 0.2)) == []
    assert functions(ticker.due(NOW + 0.4)) == [BEAT]
    assert [record.message.partition(" (")[0] for record in caplog.records] == [
        "The beat waits: the database does not answer",
        "The beat goes on: the database answers again.",
    ]


def test_dequeue_survives_a_broken_queue(transactional_db, database_away, time_machine):
    time_machine.move_to(NOW, tick=False)  # no other slot begins within the test
    broker = TickOrm("test")
    broker.dequeue()
    with database_away():
        assert broker.dequeue() is None


def test_a_task_that_cannot_be_acknowledged_is_redelivered(transactional_db, database_away, caplog):
    broker = TickOrm("test")
    async_task("builtins.len", "abc", broker=broker)
    pk = OrmQ.objects.get().pk
    with database_away():
        for mark in (broker.acknowledge, broker.fail, broker.acknowledge):
            mark(pk)
    assert OrmQ.objects.count() == 1
    broker.acknowledge(pk)
    assert OrmQ.objects.count() == 0
    assert len(caplog.records) == 2


def test_dequeue_raises_other_errors(transactional_db, time_machine):
    time_machine.move_to(NOW, tick=False)  # no other slot begins within the test
    ticker = Ticker()
    ticker.dequeue(list)
    with pytest.raises(ZeroDivisionError):
        ticker.dequeue(lambda: 1 / 0)


def test_redis_delivers_beats_before_tasks_and_survives_its_loss(
    transactional_db, redis_server, time_machine
):
    time_machine.move_to(NOW, tick=False)  # no other slot begins within the test
    broker = TickRedis("test")
    async_task("builtins.len", "abc", broker=broker)
    assert functions(broker.dequeue()) == [HEARTBEAT, BEAT]
    assert functions(broker._pop()) == ["builtins.len"]
    redis_server.kill()
    redis_server.wait()
    broker.ticker.due(time.time())
    assert broker.dequeue() is None


def test_redis_waits_at_most_until_the_next_slot():
    assert Ticker().pause(NOW + 4.5) == pytest.approx(0.51, abs=0.01)
    assert Ticker().pause(NOW + 1) == 1.0


def test_a_database_error_is_logged_once(transactional_db, caplog, monkeypatch):
    # No slot begins meanwhile: its claim would say that the database answers again.
    monkeypatch.setattr(Ticker, "due", lambda self, now: [])

    def broken():
        raise OperationalError("secret@example.org")

    ticker = Ticker()
    for _time in range(3):
        ticker.dequeue(broken)
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text


def test_an_unreachable_redis_is_logged_once(transactional_db, caplog, time_machine):
    time_machine.move_to(NOW, tick=False)  # no other slot begins within the test

    def broken():
        raise redis.ConnectionError

    ticker = Ticker()
    for at in (0, 5, 10):
        ticker.due(NOW + at)  # claims in the database still work
        ticker.dequeue(broken)  # called for the due beats first
        ticker.dequeue(broken)
    ticker.dequeue(list)
    ticker.dequeue(list)
    messages = [record.message.partition(" (")[0] for record in caplog.records]
    assert messages == [
        "The beat waits: Redis does not answer",
        "The beat goes on: Redis answers again.",
    ]
