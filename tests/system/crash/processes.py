"""Fork children of the test process, which start in milliseconds, die, freeze, wake and report."""

import faulthandler
import gc
import json
import logging
import os
import select
import signal
import time
import traceback
from collections.abc import Callable

from tiktok_sandbox.store import Store

MOST_SECONDS = 40
STDERR = 2


class Child:
    """Fork a process that calls ``work(tell)``; keep its reports and its state."""

    def __init__(
        self, work: Callable[[Callable[[dict], None]], object], most_seconds: int = MOST_SECONDS
    ) -> None:
        self.reader, writer = os.pipe()
        self.state = "running"
        self.has_struck = False
        self.messages: list[dict] = []
        self.text = b""
        with Store.lock:  # a sandbox of the test process may be at work in a thread
            self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reader)
            _run_child(
                work, lambda news: os.write(writer, json.dumps(news).encode() + b"\n"), most_seconds
            )
        os.close(writer)
        os.set_blocking(self.reader, False)

    def wait(self, seconds: float = MOST_SECONDS) -> str:
        """Wait for it to stop or end; return "running", "stopped", "ended" or "killed"."""
        ends_at = time.monotonic() + seconds
        while (
            self.state == "running"
            and select.select([self.reader], [], [], max(0, ends_at - time.monotonic()))[0]
        ):
            is_over = not self._listen()
            # The child has reached its point: the signal ends or stops it now.
            if is_over or (self.point and not self.has_struck):
                self.has_struck = True
                self.state = _state(os.waitpid(self.pid, os.WUNTRACED)[1])
        self._listen()
        return self.state

    def go_on(self) -> None:
        """Wake the process."""
        self.state = "running"
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill the process if it is alive, and close its pipe."""
        if self.state in ("running", "stopped"):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.reader)

    def said(self, key: str) -> list:
        """Return the reports under ``key``."""
        return [news[key] for news in self.messages if key in news]

    @property
    def point(self) -> dict | None:
        """Return the report of the point where the signal struck, or None."""
        return next((news for news in self.messages if "point" in news), None)

    def _listen(self) -> bool:
        """Read its reports; return whether more can come."""
        more = b""
        try:
            while more := os.read(self.reader, 65536):
                self.text += more
        except BlockingIOError:
            more = b"later"
        *lines, self.text = self.text.split(b"\n")
        self.messages += [json.loads(line) for line in lines]
        return bool(more)


def _state(status: int) -> str:
    if os.WIFSTOPPED(status):
        return "stopped"
    return "killed" if os.WIFSIGNALED(status) else "ended"


def _run_child(work: Callable, tell: Callable[[dict], None], most_seconds: int) -> None:
    """Run in the child: never return to the test, and run none of its teardown."""
    gc.disable()  # a collection would write to, and so copy, the memory shared with the test
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        # Upon a hang, print the stack and die.
        faulthandler.register(signal.SIGALRM, file=STDERR, chain=True)
        signal.alarm(most_seconds)
        root = logging.getLogger()
        root.handlers = [_Errors(tell)]
        tell({"result": work(tell)})
    except BaseException:  # noqa: BLE001  # any error belongs into the report
        tell({"error": traceback.format_exc()[-1500:]})
    finally:
        os._exit(0)


class _Errors(logging.Handler):
    """Report logged errors, so that a test sees failures that the code only logs."""

    def __init__(self, tell: Callable[[dict], None]) -> None:
        super().__init__(logging.ERROR)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self.tell({"error": f"logged: {self.format(record)[-1500:]}"})
