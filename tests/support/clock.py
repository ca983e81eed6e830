"""Clocks that the tests move: one for several processes, and one for modules of this one.

Waiting for a lease moves the first forward instead of sleeping.
"""

import mmap
import struct
import time
from datetime import UTC, datetime

from django.utils import timezone

real_monotonic, real_now, real_sleep = time.monotonic, timezone.now, time.sleep
SPEED = 0.05  # of the clock of several processes, in its seconds per real second


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
    ``wait`` ends them. A lease that ended by itself would change the statements of a process, and
    with them the numbers of the kill points.
    """

    def __init__(self) -> None:
        self.fresh()

    def fresh(self) -> None:
        """Use memory of its own for this process and the children it forks from now on."""
        self._shared = mmap.mmap(-1, 24)
        self.reset()

    def reset(self) -> None:
        """Show the real time again, and go on slowly from there."""
        self._write(0.0, real_monotonic(), real_now().timestamp())

    def wait(self, seconds: float) -> None:
        """Move the clock forward for every process that reads it."""
        waited, began, began_at = self._read()
        self._write(waited + seconds, began, began_at)

    def install(self) -> None:
        """Make the code of this process read this clock, and move it to sleep; for a child."""
        timezone.now = self._now
        time.monotonic = self._monotonic
        time.sleep = self.wait

    def _now(self) -> datetime:
        waited, began, began_at = self._read()
        passed = waited + SPEED * (real_monotonic() - began)
        return datetime.fromtimestamp(began_at + passed, UTC)

    def _monotonic(self) -> float:
        waited, began, _began_at = self._read()
        return began + waited + SPEED * (real_monotonic() - began)

    def _read(self) -> tuple[float, float, float]:
        return struct.unpack("ddd", self._shared[:])

    def _write(self, waited: float, began: float, began_at: float) -> None:
        self._shared[:] = struct.pack("ddd", waited, began, began_at)


CLOCK = Clock()
