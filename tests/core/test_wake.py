"""wake() queues a task for the engine after the commit, is throttled, and never raises."""

from datetime import UTC, datetime

import pytest
from django.db import transaction
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signals import post_execute
from django_q.signing import SignedPackage

from audiencesync.core import beat
from audiencesync.core.process import supervisor

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, transactional_db):
    monkeypatch.setattr(beat, "_woken_at", {})
    monkeypatch.setattr(beat, "_monitor", beat.Ticker())


def queued():
    """Return the functions in the queue of this installation, oldest first."""
    broker = get_broker()
    if hasattr(broker.connection, "lrange"):
        return [
            SignedPackage.loads(package)["func"]
            for package in broker.connection.lrange(broker.list_key, 0, -1)
        ]
    return [task.func() for task in OrmQ.objects.order_by("pk")]


def test_wake_queues_the_function():
    beat.wake("canvases.engine.beat")
    assert queued() == ["canvases.engine.beat"]


def test_wake_waits_for_the_commit():
    with transaction.atomic():
        beat.wake("canvases.engine.beat")
        assert queued() == []
    assert queued() == ["canvases.engine.beat"]


def test_a_rolled_back_transaction_queues_nothing():
    with transaction.atomic():
        beat.wake("canvases.engine.beat")
        transaction.set_rollback(True)
    assert queued() == []


def test_wake_is_throttled_for_each_function(monkeypatch):
    monkeypatch.setattr(beat, "WAKE_SECONDS", 60.0)  # longer than this test takes on a busy machine
    for _ in range(5):
        beat.wake("canvases.engine.beat")
    beat.wake("partners.sync.beat")
    assert queued() == ["canvases.engine.beat", "partners.sync.beat"]
    monkeypatch.setattr(beat, "WAKE_SECONDS", 0.0)
    beat.wake("canvases.engine.beat")
    assert len(queued()) == 3


def test_tasks_do_not_pile_up_without_an_engine(monkeypatch):
    monkeypatch.setattr(beat, "WAKE_SECONDS", 0.0)
    for _ in range(beat.MAX_QUEUED + 5):
        beat.wake("canvases.engine.beat")
    assert len(queued()) == beat.MAX_QUEUED


def test_wake_never_raises(database_away, monkeypatch, caplog):
    with database_away(), monkeypatch.context() as patch:
        # whether the queue is in the database or in Redis, it does not answer
        patch.setattr(Conf, "REDIS", "redis://127.0.0.1:9/0")
        beat.wake("canvases.engine.beat")
    assert "could not be woken" in caplog.text
    assert queued() == []


def test_a_finished_task_counts_as_heartbeat(tmp_path, monkeypatch):
    file = tmp_path / "pulse"
    monkeypatch.setenv(supervisor.HEARTBEAT_FILE_VARIABLE, str(file))
    assert beat.last_heartbeat() is None
    post_execute.send(sender="django_q", task={})
    assert file.exists()
    assert (datetime.now(UTC) - beat.last_heartbeat()).total_seconds() < 2 * beat.HEARTBEAT_SECONDS


def test_the_heartbeat_needs_no_database(tmp_path, monkeypatch, database_away):
    file = tmp_path / "pulse"
    monkeypatch.setenv(supervisor.HEARTBEAT_FILE_VARIABLE, str(file))
    with database_away():
        post_execute.send(sender="django_q", task={})
    assert file.exists()
