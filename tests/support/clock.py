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
SPEED = 0.05  # of the clock of several processes, in its seconds per real second
FIRST_WORKER = 24  # the byte of the shared memory that says whether worker 0 is at work
N_WORKERS = 2
LONGEST_PAUSE = 10.0  # real seconds, in case a worker that others pause for hangs

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

    Two processes may work beside each other as *workers*. In `pause` one lets the other end its
    present work first. Otherwise the other's lease would end amid its work, only because the
    machine is busy.
    """

    def __init__(self) -> None:
        self.worker: int | None = None  # the number of this process while it is at work
        self.fresh()

    def fresh(self) -> None:
        """Use memory of its own for this process and the children it forks from now on."""
        self._shared = mmap.mmap(-1, FIRST_WORKER + N_WORKERS)
        self.reset()

    def reset(self) -> None:
        """Show the real time again, and go on slowly from there; no worker is at work."""
        self._shared[FIRST_WORKER:] = bytes(N_WORKERS)
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
        """Say for a worker that it is frozen, or goes on."""
        self._shared[FIRST_WORKER + worker] = is_at_work

    def is_at_work(self, worker: int) -> bool:
        return bool(self._shared[FIRST_WORKER + worker])

    def pause(self, seconds: float) -> None:
        """Move the clock forward once no other worker is at work."""
        ends_at = real_monotonic() + LONGEST_PAUSE
        self._set_at_work(False)
        while any(self._shared[FIRST_WORKER:]) and real_monotonic() < ends_at:
            real_sleep(0.001)
        if any(self._shared[FIRST_WORKER:]):
            logger.error("A pause did not wait any longer for the other worker")
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
        return struct.unpack("ddd", self._shared[:FIRST_WORKER])

    def _write(self, waited: float, began: float, began_at: float) -> None:
        self._shared[:FIRST_WORKER] = struct.pack("ddd", waited, began, began_at)


CLOCK = Clock()
