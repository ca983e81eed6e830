"""While a process is frozen inside a transaction, others get a clear error or wait."""

import signal

import pytest
from django.conf import settings

from tests.system.crash.checks import tallies
from tests.system.crash.scenarios_queue import ENQUEUE

pytestmark = pytest.mark.slow
BUSY_SECONDS = 0.3


@pytest.fixture
def frozen(stage):
    """Freeze a process while it enters profiles; return it, its database and the stage."""
    ready = stage(ENQUEUE)
    at = next(
        at
        for at, point in enumerate(ready.points())
        if "INSERT INTO partners_delivery" in point.label
    )
    ready.snapshot.restore(())
    name = ready.databases.copy(ready.template)
    child = ready.databases.child(name, ready.roles.interrupted_work(at, signal.SIGSTOP))
    assert child.wait() == "stopped"
    yield child, name, ready
    child.end()
    ready.databases.give_back(name)


def test_others_get_an_error_or_wait_and_nothing_is_half_written(frozen):
    child, name, stage = frozen
    assert stage.databases.is_locked(name)
    other = stage.databases.child(
        name, stage.roles.with_world(ENQUEUE.interrupted), busy_seconds=BUSY_SECONDS
    )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        assert other.wait(60) == "ended"
        assert "database is locked" in other.reports("error")[0]
    else:
        assert other.wait(BUSY_SECONDS) == "running"  # it waits for the row of the audience
    reader = stage.databases.child(name, lambda send: tallies())
    reader.wait()
    assert reader.reports("result") == [{"remove": {"entered": 2, "pending": 2}}]
    child.go_on()
    assert (child.wait(), other.wait()) == ("ended", "ended")
    assert not stage.databases.is_locked(name)
    assert list(stage._recover_and_check(name, is_repeated=True)) == []
