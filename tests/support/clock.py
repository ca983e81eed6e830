"""Clocks that the tests move: one for several processes, and one for modules of this one.

Waiting for a lease moves the first forward instead of sleeping.
"""

import mmap
import struct
import time
from datetime import timedelta

from django.utils import timezone

real_monotonic, real_now = time.monotonic, timezone.now


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
    """The real clock plus an offset in memory that forked children share."""

    def __init__(self) -> None:
        self.fresh()

    def fresh(self) -> None:
        """Use a new offset for this process and the children it forks from now on."""
        self._shared = mmap.mmap(-1, 8)

    def reset(self) -> None:
        """Show the real time again."""
        self._write(0.0)

    def wait(self, seconds: float) -> None:
        """Move the clock forward for every process that reads it."""
        self._write(self._offset() + seconds)

    def install(self) -> None:
        """Make the code of this process read this clock; meant for a child."""
        timezone.now = lambda: real_now() + timedelta(seconds=self._offset())
        time.monotonic = lambda: real_monotonic() + self._offset()

    def _offset(self) -> float:
        return struct.unpack("d", self._shared[:])[0]

    def _write(self, offset: float) -> None:
        self._shared[:] = struct.pack("d", offset)


CLOCK = Clock()
