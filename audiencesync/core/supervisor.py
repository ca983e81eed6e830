"""Keeps one qcluster alive: watches its heartbeat file, kills what went silent, starts it again, stops it in time.

Needed because django-q2 can fall silent for ever while its processes live (docs/operations.md tells how).
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PULSE_FILE = "ENGINE_PULSE_FILE"  # environment: tells the cluster which file its heartbeat touches
PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5
WAIT_SECONDS = 1.0
BACKOFF_MAX = 30.0
HEALTHY_SECONDS = 60.0  # who lived that long starts again at once

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Terms:
    """How long the cluster may be silent, and how long it may take to stop, in seconds."""

    silence: float = 30.0
    stop: float = 20.0


class Engine:
    """One qcluster in a process group of its own, so that its orphans can be found and killed."""

    def __init__(
        self,
        command: list[str],
        *,
        pulse_file: Path,
        env: dict[str, str],
        terms: Terms,
        missing: Callable[[], str] = lambda: "",
    ) -> None:
        self.command, self.pulse_file, self.env, self.terms = command, pulse_file, env, terms
        self.missing = missing
        self.process: subprocess.Popen[bytes] | None = None
        self.started = self.heard = 0.0
        self.last_touch = 0
        self.failures = 0
        self.is_stopping = False

    def run(self) -> None:
        """Start, watch and restart until `ask_to_stop` was called."""
        self.start()
        while not self.is_stopping:
            time.sleep(LOOK_SECONDS)
            if (incident := self.incident()) and not self.is_stopping:
                self.restart(incident)
        self.stop()

    def ask_to_stop(self, *_signal: object) -> None:
        """The handler of SIGTERM and SIGINT."""
        self.is_stopping = True

    def start(self) -> None:
        """A fresh cluster, once nothing is missing; its first heartbeat must come within the time of silence."""
        self.await_others()
        if self.is_stopping:
            return
        self.pulse_file.touch()
        self.last_touch = self.pulse_file.stat().st_mtime_ns
        self.started = self.heard = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - safe: the supervisor has one thread
        )
        logger.info("Engine started (process group %s).", self.process.pid)

    def await_others(self) -> None:
        """Without its database a cluster dies of a traceback, again and again: wait, and say so in one line."""
        if not (missing := self.missing()):
            return
        logger.error("The engine waits: %s.", missing)
        while missing and not self.is_stopping:
            time.sleep(WAIT_SECONDS)
            missing = self.missing()
        if not missing:
            logger.warning("The engine goes on: everything answers.")

    def incident(self) -> str | None:
        """What is wrong with the cluster now, in words, or None."""
        if self.process is None or self.process.poll() is not None:
            return "its main process ended"
        touched = self.pulse_file.stat().st_mtime_ns if self.pulse_file.exists() else 0
        if touched != self.last_touch:
            self.last_touch, self.heard = touched, time.monotonic()
        silent = time.monotonic() - self.heard
        return f"no heartbeat for {silent:.0f} s" if silent > self.terms.silence else None

    def restart(self, incident: str) -> None:
        """Kill all that is left of the cluster and start anew, slower each time it dies young."""
        lived = time.monotonic() - self.started
        self.failures = 0 if lived > HEALTHY_SECONDS else self.failures + 1
        wait = min(BACKOFF_MAX, 2.0 ** (self.failures - 2)) if self.failures > 1 else 0.0
        logger.error("Engine restarts in %.0f s: %s.", wait, incident)
        self.kill()
        until = time.monotonic() + wait
        while time.monotonic() < until and not self.is_stopping:
            time.sleep(LOOK_SECONDS)
        if not self.is_stopping:
            self.start()

    def stop(self) -> None:
        """Let running tasks end, but not for ever: django-q2 can deadlock while it stops."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.terms.stop)
            logger.info("Engine stopped.")
        except subprocess.TimeoutExpired:
            logger.warning("Engine did not stop within %.0f s and was killed.", self.terms.stop)
        self.kill()

    def kill(self) -> None:
        """End every process of the group, orphans too."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            logger.debug("Nothing was left of the process group.")
        self.process.wait()
        self.process = None


def _end_with_parent() -> None:
    """Linux: a supervisor that is killed takes its cluster along, else nobody would ever stop it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
