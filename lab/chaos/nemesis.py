"""The enemy of a chaos run: kills processes and whole engines with SIGKILL, and stops them for longer than a lease.

One engine at a time is spared, in turns, so that there is always somebody to take over.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

MARK = "CHAOS_ROLE"  # environment: by this, and by the folder, all processes of a run are found
STRIKES = {"kill one": 40, "stop one": 35, "kill all": 8, "stop all": 7, "kill people": 10}
BETWEEN = (0.4, 2.0)
SPARED_FOR = 10.0
ORPHANED_FOR = (
    0.2,
    2.0,
)  # until somebody notices that a supervisor is gone, and ends what it leaves


def processes(var: Path, role: str = "") -> list[int]:
    """Of this run (that is, of this folder), and of one role of it."""
    wanted = {f"VAR_DIR={var}", *([f"{MARK}={role}"] if role else [])}
    return sorted(
        pid
        for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
        if wanted <= _environment(pid)
    )


def _environment(pid: int) -> set[str]:
    try:
        return set(Path(f"/proc/{pid}/environ").read_text(errors="replace").split("\0"))
    except OSError:
        return set()


def send(number: int, pids: Sequence[int]) -> None:
    """A signal to all who are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


class Nemesis:
    """Asked again and again by the run; strikes when its time has come. Counts what it did."""

    def __init__(
        self, var: Path, *, engines: Sequence[str], people: Sequence[str], lease: float, seed: int
    ) -> None:
        self.var, self.engines, self.people, self.lease = var, engines, people, lease
        self.random = random.Random(f"{seed}-nemesis")  # noqa: S311  # for repeating a run
        self.done: Counter[str] = Counter()
        self.log: list[str] = []
        self.began = self.next_at = time.monotonic()
        self.stopped: list[tuple[float, list[int]]] = []

    def strike(self) -> None:
        """Wake up whose time is over; strike if it is time."""
        now = time.monotonic()
        for wake_at, pids in list(self.stopped):
            if wake_at <= now:
                send(signal.SIGCONT, pids)
                self.stopped.remove((wake_at, pids))
        if now >= self.next_at:
            self.next_at = now + self.random.uniform(*BETWEEN)
            name = self.random.choices(list(STRIKES), list(STRIKES.values()))[0]
            self._strike(name, now)

    def _strike(self, name: str, now: float) -> None:
        role = self.random.choice(self.people if name == "kill people" else self._unlucky(now))
        pids = processes(self.var, role)
        if not pids:
            return
        if name in ("kill one", "stop one"):
            pids = [self.random.choice(pids)]
        if name.startswith("stop"):
            seconds = self.lease * self.random.uniform(1.1, 2.0)
            send(signal.SIGSTOP, pids)
            self.stopped.append((now + seconds, pids))
            self._note(f"{name} of {role}: {pids} for {seconds:.1f} s", name)
        else:
            send(signal.SIGKILL, pids)
            self._note(f"{name} of {role}: {pids}", name)

    def _unlucky(self, now: float) -> list[str]:
        """All engines but the one that is spared just now."""
        spared = int((now - self.began) / SPARED_FOR) % len(self.engines)
        return [name for at, name in enumerate(self.engines) if at != spared] or list(self.engines)

    def _note(self, words: str, name: str) -> None:
        self.done[name] += 1
        self.log.append(f"{time.monotonic() - self.began:6.1f} s  {words}")

    def rest(self) -> None:
        """Everybody wakes up."""
        for _wake_at, pids in self.stopped:
            send(signal.SIGCONT, pids)
        self.stopped.clear()


class Nurse:
    """Starts anew what was killed, as the init system of a machine does: what an engine left behind is ended first."""

    def __init__(
        self, var: Path, *, spawn: dict[str, Callable[[], None]], is_alive: Callable[[str], bool]
    ) -> None:
        self.var, self.spawn, self.is_alive = var, spawn, is_alive
        self.random = random.Random()  # noqa: S311  # guards no secret
        self.due: dict[str, float] = {}

    def look(self) -> None:
        """Once around."""
        now = time.monotonic()
        for role, spawn in self.spawn.items():
            if self.is_alive(role):
                self.due.pop(role, None)
            elif now >= self.due.setdefault(role, now + self.random.uniform(*ORPHANED_FOR)):
                send(signal.SIGKILL, processes(self.var, role))
                spawn()
