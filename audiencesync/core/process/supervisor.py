"""Keeps one django-q2 cluster alive: watches its heartbeat file, kills it when it hangs, restarts
and stops it.

Needed because django-q2 can hang for ever while its processes stay alive (see docs/operations.md).
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

HEARTBEAT_FILE_VARIABLE = "ENGINE_PULSE_FILE"  # environment: the file that the cluster touches
PR_SET_PDEATHSIG = 1  # of prctl(2): the signal that a process gets when its parent dies
POLL_SECONDS = 0.5  # between two looks at the cluster
RETRY_SECONDS = 1.0  # between two looks for a missing backend
BACKOFF_MAX = 30.0  # seconds between two starts
HEALTHY_SECONDS = 60.0  # a cluster that ran this long is restarted without back-off

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timeouts:
    """How long the cluster may be silent, and how long it may take to stop, in seconds."""

    silence: float = 30.0
    stop: float = 20.0


class Engine:
    """One cluster in a process group of its own, so that its orphans can be found and killed.

    ``missing_backend`` returns in words what the cluster needs and does not have, or an empty text.
    """

    def __init__(
        self,
        command: list[str],
        *,
        heartbeat_file: Path,
        env: dict[str, str],
        timeouts: Timeouts,
        missing_backend: Callable[[], str] = lambda: "",
    ) -> None:
        self.command, self.heartbeat_file, self.env = command, heartbeat_file, env
        self.timeouts, self.missing_backend = timeouts, missing_backend
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = self.heartbeat_at = 0.0
        self.last_mtime = 0
        self.failures = 0
        self.is_stopping = False

    def run(self) -> None:
        """Start, watch and restart until `ask_to_stop` was called."""
        self.start()
        while not self.is_stopping:
            time.sleep(POLL_SECONDS)
            if (incident := self.incident()) and not self.is_stopping:
                self.restart(incident)
        self.stop()

    def ask_to_stop(self, *_signal: object) -> None:
        """Handle SIGTERM and SIGINT."""
        self.is_stopping = True

    def start(self) -> None:
        """Start a cluster once nothing is missing; the first heartbeat must come within
        ``timeouts.silence``.
        """
        self.wait_for_backends()
        if self.is_stopping:
            return
        self.heartbeat_file.touch()
        self.last_mtime = self.heartbeat_file.stat().st_mtime_ns
        self.started_at = self.heartbeat_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            env=self.env,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - safe: the supervisor has one thread
        )
        logger.info("Engine started (process group %s).", self.process.pid)

    def wait_for_backends(self) -> None:
        """Wait until nothing is missing, and log it in one line."""
        # Without its database a cluster would end with a traceback again and again.
        if not (missing := self.missing_backend()):
            return
        logger.error("The engine waits: %s.", missing)
        while missing and not self.is_stopping:
            time.sleep(RETRY_SECONDS)
            missing = self.missing_backend()
        if not missing:
            logger.warning("The engine goes on: everything answers.")

    def incident(self) -> str | None:
        """Return what is wrong with the cluster now, in words, or None."""
        if self.process is None or self.process.poll() is not None:
            return "its main process ended"
        mtime = self.heartbeat_file.stat().st_mtime_ns if self.heartbeat_file.exists() else 0
        if mtime != self.last_mtime:
            self.last_mtime, self.heartbeat_at = mtime, time.monotonic()
        silence = time.monotonic() - self.heartbeat_at
        return f"no heartbeat for {silence:.0f} s" if silence > self.timeouts.silence else None

    def restart(self, incident: str) -> None:
        """Kill what is left of the cluster and start a new one, with back-off if it keeps failing
        early.
        """
        uptime = time.monotonic() - self.started_at
        self.failures = 0 if uptime > HEALTHY_SECONDS else self.failures + 1
        wait = min(BACKOFF_MAX, 2.0 ** (self.failures - 2)) if self.failures > 1 else 0.0
        logger.error("Engine restarts in %.0f s: %s.", wait, incident)
        self.kill()
        until = time.monotonic() + wait
        while time.monotonic() < until and not self.is_stopping:
            time.sleep(POLL_SECONDS)
        if not self.is_stopping:
            self.start()

    def stop(self) -> None:
        """Let running tasks end within ``timeouts.stop``, then kill what remains: django-q2 can
        deadlock while it stops.
        """
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(self.timeouts.stop)
            logger.info("Engine stopped.")
        except subprocess.TimeoutExpired:
            logger.warning("Engine did not stop within %.0f s and was killed.", self.timeouts.stop)
        self.kill()

    def kill(self) -> None:
        """Kill every process of the group, orphans too."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            logger.debug("Nothing was left of the process group.")
        self.process.wait()
        self.process = None


def _end_with_parent() -> None:
    """On Linux: end the cluster when its supervisor is killed, else it would run on without
    control.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
