"""Clocks that the tests move: one for several processes, and one for modules of this one.

Waiting for a lease moves the first forward instead of sleeping.
"""

import logging
import mmap
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from django.utils import timezone

real_monotonic, real_now, real_sleep = time.monotonic, timezone.now, time.sleep
SPEED = 0.05  # seconds of a `Clock` per real second
TIMES = "ddd"  # waited seconds; the real monotonic clock and timestamp when the clock was reset
PHASES = "II"  # of each worker: it grows when work begins, pauses or ends, and is odd at work
LONGEST_PAUSE = 10.0  # real seconds for which `pause` waits for another worker, which may hang

logger = logging.getLogger(__name__)


class StoppedTime:
    """The module time for one module: its monotonic clock moves only by ``sleep``."""

    def __init__(self) -> None:
        self._now = real_monotonic()

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def monotonic(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


class Clock:
    """A slow clock that `wait` moves forward, in memory that forked children share.

    It goes so slowly that no lease and no pause ends by itself, even on a busy machine: only
    `wait` and `pause` end them, and code that sleeps, which pauses. A lease that ended by itself
    would change the statements of a process, and with them the numbers of the kill points.

    Two processes may work beside each other as *workers*. In `pause` one waits until the other
    pauses, too, or ends its work. Otherwise the other's lease would end amid its work, only because
    the machine is busy.
    """

    def __init__(self) -> None:
        self.worker: int | None = None  # the number of this process while it is at work
        self.fresh()

    def fresh(self) -> None:
        """Use new memory, which this process shares only with children that it forks later."""
        self._shared = mmap.mmap(-1, struct.calcsize(TIMES) + struct.calcsize(PHASES))
        self.reset()

    def reset(self) -> None:
        """Set the clock to the real time; no worker is at work."""
        for worker in range(len(PHASES)):
            self._write_phase(worker, 0)
        self._write(0.0, real_monotonic(), real_now().timestamp())

    @property
    def moved(self) -> float:
        """Return the seconds by which waiting has moved the clock."""
        return self._read()[0]

    def wait(self, seconds: float) -> None:
        """Move the clock forward for every process that reads it."""
        waited, began, began_at = self._read()
        self._write(waited + seconds, began, began_at)

    @contextmanager
    def at_work(self, worker: int) -> Iterator[None]:
        """Be at work as the worker of this number."""
        self.worker = worker
        self._set_at_work(True)
        try:
            yield
        finally:
            self._set_at_work(False)
            self.worker = None

    def mark(self, worker: int, *, is_at_work: bool) -> None:
        """Set whether a worker is at work; the test calls this when it freezes or wakes one."""
        if self.is_at_work(worker) != is_at_work:
            self._write_phase(worker, self._phases()[worker] + 1)

    def is_at_work(self, worker: int) -> bool:
        return self._phases()[worker] % 2 == 1

    def pause(self, seconds: float) -> None:
        """Move the clock forward once the other worker pauses or is not at work."""
        if seconds <= 0:
            return
        self._set_at_work(False)
        present = {worker: phase for worker, phase in enumerate(self._phases()) if phase % 2}
        ends_at = real_monotonic() + LONGEST_PAUSE
        while any(self._phases()[worker] == phase for worker, phase in present.items()):
            if real_monotonic() > ends_at:
                logger.warning("A pause did not wait any longer for the other worker")
                break
            real_sleep(0.001)
        self.wait(seconds)
        self._set_at_work(True)

    def _set_at_work(self, is_at_work: bool) -> None:
        if self.worker is not None:
            self.mark(self.worker, is_at_work=is_at_work)

    def install(self) -> None:
        """Make the code of this process read this clock, and pause to sleep; for a child."""
        timezone.now = self._now
        time.monotonic = self._monotonic
        time.sleep = self.pause

    def _now(self) -> datetime:
        waited, began, began_at = self._read()
        passed = waited + SPEED * (real_monotonic() - began)
        return datetime.fromtimestamp(began_at + passed, UTC)

    def _monotonic(self) -> float:
        waited, began, _began_at = self._read()
        return began + waited + SPEED * (real_monotonic() - began)

    def _read(self) -> tuple[float, float, float]:
        return struct.unpack_from(TIMES, self._shared)

    def _write(self, waited: float, began: float, began_at: float) -> None:
        struct.pack_into(TIMES, self._shared, 0, waited, began, began_at)

    def _phases(self) -> list[int]:
        return list(struct.unpack_from(PHASES, self._shared, struct.calcsize(TIMES)))

    def _write_phase(self, worker: int, phase: int) -> None:
        place = struct.calcsize(TIMES) + struct.calcsize(PHASES[:worker])
        struct.pack_into(PHASES[worker], self._shared, place, phase)


CLOCK = Clock()
