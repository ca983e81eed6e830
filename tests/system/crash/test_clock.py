"""The clock that the processes of a scenario share."""

from tests.support.clock import Clock, real_sleep
from tests.system.crash.processes import Child


def test_a_pause_does_not_move_the_clock_while_the_other_worker_is_at_work():
    clock = Clock()

    def work(send):
        with clock.at_work(1):
            send({"began": True})
            real_sleep(0.1)
            send({"moved": clock.moved})

    other = Child(work)
    while not other.reports("began"):
        other.wait(0.01)
    with clock.at_work(0):
        clock.pause(5)
    assert other.wait() == "ended"
    other.end()
    assert other.reports("moved") == [0]
    assert clock.moved == 5
