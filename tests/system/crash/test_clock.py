"""The clock that the processes of a scenario share."""

import logging

from tests.support import clock as clock_module
from tests.support.clock import Clock, real_sleep
from tests.system.crash.processes import Child


def test_a_pause_does_not_move_the_clock_while_the_other_worker_is_at_work():
    clock = Clock()

    def work(send):
        with clock.at_work(1):
            send({"began": True})
            while clock.is_at_work(0):
                real_sleep(0.001)
            real_sleep(0.05)  # worker 0 pauses: it would move the clock now
            send({"moved": clock.moved})

    with clock.at_work(0):
        other = Child(work)
        while not other.reports("began"):
            assert other.wait(0.01) == "running"
        clock.pause(5)
    assert other.wait() == "ended"
    other.end()
    assert other.reports("moved") == [0]
    assert clock.moved == 5


def test_a_pause_ends_once_the_other_worker_has_paused_and_works_again():
    clock = Clock()

    def work(send):
        with clock.at_work(1):
            send({"began": True})
            while clock.is_at_work(0):
                real_sleep(0.001)
            clock.pause(1)
            while not clock.is_at_work(0):
                real_sleep(0.001)

    with clock.at_work(0):
        other = Child(work)
        while not other.reports("began"):
            assert other.wait(0.01) == "running"
        clock.pause(5)
        assert clock.moved == 6
        assert other.wait() == "ended"
    other.end()


def test_a_pause_does_not_wait_for_a_frozen_worker(caplog):
    clock = Clock()
    clock.mark(1, is_at_work=True)
    clock.mark(1, is_at_work=False)
    with clock.at_work(0):
        clock.pause(5)
        assert clock.is_at_work(0)
    assert (clock.moved, caplog.records) == (5, [])


def test_a_pause_for_a_worker_that_hangs_ends_with_a_warning(caplog, monkeypatch):
    monkeypatch.setattr(clock_module, "LONGEST_PAUSE", 0.01)
    clock = Clock()
    clock.mark(1, is_at_work=True)
    with clock.at_work(0):
        clock.pause(5)
    assert clock.moved == 5
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
