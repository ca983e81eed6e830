"""What the brokers hand to the pusher: the beats that are due first, then the queue; whatever goes wrong, no exception."""

import time

import pytest
import redis
from django.db import OperationalError
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

from audiencesync.core import beat
from audiencesync.core.beat import Ticker, TickOrm, TickRedis

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _one_beat(settings, monkeypatch):
    settings.BEATS = {"journeys": (5.0, "canvases.engine.beat")}
    monkeypatch.setattr(beat, "ERROR_PAUSE", 0.0)


def functions(packages):
    return [SignedPackage.loads(package)["func"] for _ack_id, package in packages or []]


HEARTBEAT, BEAT = "audiencesync.core.beat.heartbeat", "canvases.engine.beat"


def test_a_slot_gives_heartbeat_and_beat_once(transactional_db):
    ticker = Ticker()
    assert functions(ticker.due(NOW)) == [HEARTBEAT, BEAT]
    assert functions(ticker.due(NOW + 4.9)) == []
    assert functions(ticker.due(NOW + 5.0)) == [HEARTBEAT, BEAT]


def test_the_second_engine_gets_only_its_own_heartbeat(transactional_db):
    assert functions(Ticker().due(NOW)) == [HEARTBEAT, BEAT]
    assert functions(Ticker().due(NOW)) == [HEARTBEAT]


def test_missed_slots_are_not_made_up(transactional_db):
    ticker = Ticker()
    ticker.due(NOW)
    assert functions(ticker.due(NOW + 3600)) == [HEARTBEAT, BEAT]
    assert functions(ticker.due(NOW + 3601)) == []


def test_beats_are_never_delivered_again_nor_stored(transactional_db):
    for ack_id, package in Ticker().due(NOW):
        assert ack_id is None
        assert SignedPackage.loads(package)["save"] is False
    assert OrmQ.objects.count() == 0


def test_the_beat_goes_in_front_of_the_queue(transactional_db):
    broker = TickOrm("test")
    async_task("builtins.len", "abc", broker=broker)
    assert functions(broker.dequeue()) == [HEARTBEAT, BEAT]
    assert functions(broker.dequeue()) == ["builtins.len"]


def test_without_database_the_heartbeat_goes_on_and_the_beat_comes_later(
    transactional_db, database_away, caplog
):
    ticker = Ticker()
    with database_away():
        assert functions(ticker.due(NOW)) == [HEARTBEAT]
        assert functions(ticker.due(NOW + 0.2)) == []
    assert functions(ticker.due(NOW + 0.4)) == [BEAT]
    assert [record.message[:18] for record in caplog.records] == [
        "The beat waits: th",
        "The beat goes on: ",
    ]


def test_dequeue_survives_a_broken_queue(transactional_db, database_away):
    broker = TickOrm("test")
    broker.dequeue()
    with database_away():
        assert broker.dequeue() is None


def test_a_task_that_cannot_be_marked_as_done_ends_nobody_and_comes_again(
    transactional_db, database_away, caplog
):
    broker = TickOrm("test")
    async_task("builtins.len", "abc", broker=broker)
    waiting = OrmQ.objects.get().pk
    with database_away():
        for mark in (broker.acknowledge, broker.fail, broker.acknowledge):
            mark(waiting)
    assert OrmQ.objects.count() == 1
    broker.acknowledge(waiting)
    assert OrmQ.objects.count() == 0
    assert len(caplog.records) == 2


def test_dequeue_lets_other_errors_through(transactional_db):
    ticker = Ticker()
    ticker.dequeue(list)
    with pytest.raises(ZeroDivisionError):
        ticker.dequeue(lambda: 1 / 0)


def test_redis_gives_beats_then_the_queue_and_survives_its_end(transactional_db, redis_server):
    broker = TickRedis("test")
    async_task("builtins.len", "abc", broker=broker)
    assert functions(broker.dequeue()) == [HEARTBEAT, BEAT]
    assert functions(broker._pop()) == ["builtins.len"]
    redis_server.kill()
    redis_server.wait()
    broker.ticker.due(time.time())
    assert broker.dequeue() is None


def test_redis_waits_no_longer_than_to_the_next_slot():
    assert Ticker().pause(NOW + 4.5) == pytest.approx(0.51, abs=0.01)
    assert Ticker().pause(NOW + 1) == 1.0


def test_trouble_of_the_database_is_told_once(transactional_db, caplog):
    def broken():
        raise OperationalError("secret@example.org")

    ticker = Ticker()
    for _time in range(4):  # a slot may begin meanwhile
        ticker.dequeue(broken)
    assert len(caplog.records) == 1
    assert "secret" not in caplog.text


def test_redis_away_is_told_once_though_the_database_answers(transactional_db, caplog):
    def broken():
        raise redis.ConnectionError

    ticker = Ticker()
    for at in (0, 5, 10):
        ticker.due(NOW + at)  # claims in the database go on
        ticker.dequeue(broken)  # what is due in front of the queue
        ticker.dequeue(broken)
    ticker.dequeue(list)
    ticker.dequeue(list)
    words = [record.message.partition(" (")[0] for record in caplog.records]
    assert words == [
        "The beat waits: Redis does not answer",
        "The beat goes on: Redis answers again.",
    ]
