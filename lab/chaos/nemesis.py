"""Kill processes of a chaos run, and stop (SIGSTOP) others for longer than a lease.

A role is one engine or one actor, with all its processes. A strike is a signal to one process of a
role or to all of them. At any time one engine is spared, in turn, so that it can take over.
"""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from lab.stack.processes import with_environment

# The environment names the role and the folder: these find all processes of a run.
ROLE = "CHAOS_ROLE"
# strike -> how often compared with the others; "one" and "all" are processes of one engine
STRIKES = {"kill one": 40, "stop one": 35, "kill all": 8, "stop all": 7, "kill actor": 10}
STRIKE_INTERVAL = (0.4, 2.0)  # seconds
SPARED_SECONDS = 10.0  # seconds for which an engine is spared
RESTART_DELAY = (0.2, 2.0)  # seconds between a supervisor's death and its restart


def processes(var: Path, role: str = "") -> list[psutil.Process]:
    """Return the processes of the run in this folder, or of one role of it."""
    variables = [f"VAR_DIR={var}", *([f"{ROLE}={role}"] if role else [])]
    return sorted(with_environment(*variables), key=lambda process: process.pid)


def send(signal_number: int, targets: Iterable[psutil.Process]) -> None:
    """Send a signal to the processes that are still there."""
    for process in targets:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)


class Nemesis:
    """Strikes at random times; counts its strikes."""

    def __init__(
        self, var: Path, *, engines: Sequence[str], actors: Sequence[str], lease: float, seed: int
    ) -> None:
        self.var, self.engines, self.actors, self.lease = var, engines, actors, lease
        self.random = random.Random(f"{seed}-nemesis")
        self.n_strikes: Counter[str] = Counter()
        self.log: list[str] = []
        self.started = self.next_at = time.monotonic()
        self.stopped: list[tuple[float, list[psutil.Process]]] = []  # (when to continue, which)

    def tick(self) -> None:
        """Continue stopped processes whose time is over; strike if it is time."""
        now = time.monotonic()
        for ends_at, targets in list(self.stopped):
            if ends_at <= now:
                send(signal.SIGCONT, targets)
                self.stopped.remove((ends_at, targets))
        if now >= self.next_at:
            self.next_at = now + self.random.uniform(*STRIKE_INTERVAL)
            name = self.random.choices(list(STRIKES), list(STRIKES.values()))[0]
            self._strike(name, now)

    def _strike(self, name: str, now: float) -> None:
        roles = self.actors if name == "kill actor" else self._engines_to_strike(now)
        role = self.random.choice(roles)
        targets = processes(self.var, role)
        if not targets:
            return
        if name in ("kill one", "stop one"):
            targets = [self.random.choice(targets)]
        line = f"{name} of {role}: {[process.pid for process in targets]}"
        if name.startswith("stop"):
            seconds = self.lease * self.random.uniform(1.1, 2.0)
            send(signal.SIGSTOP, targets)
            self.stopped.append((now + seconds, targets))
            line += f" for {seconds:.1f} s"
        else:
            send(signal.SIGKILL, targets)
        self.n_strikes[name] += 1
        self.log.append(f"{time.monotonic() - self.started:6.1f} s  {line}")

    def _engines_to_strike(self, now: float) -> list[str]:
        """Return all engines but the one that is spared now."""
        spared = int((now - self.started) / SPARED_SECONDS) % len(self.engines)
        return [name for at, name in enumerate(self.engines) if at != spared] or list(self.engines)

    def end(self) -> None:
        """Continue all stopped processes."""
        for _ends_at, targets in self.stopped:
            send(signal.SIGCONT, targets)
        self.stopped.clear()


class Restarter:
    """Restarts dead roles as an init system does: it first kills the processes they left behind."""

    def __init__(
        self, var: Path, *, spawn: dict[str, Callable[[], None]], is_alive: Callable[[str], bool]
    ) -> None:
        self.var, self.spawn, self.is_alive = var, spawn, is_alive
        self.random = random.Random()
        self.due: dict[str, float] = {}  # dead role -> when to restart it

    def tick(self) -> None:
        """Restart the dead roles that are due."""
        now = time.monotonic()
        for role, spawn in self.spawn.items():
            if self.is_alive(role):
                self.due.pop(role, None)
            elif now >= self.due.setdefault(role, now + self.random.uniform(*RESTART_DELAY)):
                send(signal.SIGKILL, processes(self.var, role))
                spawn()
