"""Fork children of the test process: they start in milliseconds, report, and can be struck."""

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

MAX_SECONDS = 90
STDERR = 2


class Child:
    """A forked process that calls ``work(send)``, with its reports and its state.

    ``send({key: value})`` writes a report to a pipe. After a report with the key "point", a signal
    stops or kills the process.
    """

    def __init__(
        self, work: Callable[[Callable[[dict], None]], object], max_seconds: int = MAX_SECONDS
    ) -> None:
        self.reader, writer = os.pipe()
        self.state = "running"
        self.has_waited = False  # whether `wait` has seen the effect of that signal
        self.messages: list[dict] = []
        self.rest = b""  # of the pipe: the beginning of the next report
        with Store.lock:  # a sandbox of the test process may be at work in a thread
            self.pid = os.fork()
        if self.pid == 0:
            os.close(self.reader)
            _run_child(
                work,
                lambda report: os.write(writer, json.dumps(report).encode() + b"\n"),
                max_seconds,
            )
        os.close(writer)
        os.set_blocking(self.reader, False)

    def wait(self, seconds: float = MAX_SECONDS) -> str:
        """Wait until the process stops or ends; return its state.

        It is "running" (after ``seconds``), "stopped", "ended", "killed", or of a worker "idle".
        """
        ends_at = time.monotonic() + seconds
        while (
            self.state == "running"
            and select.select([self.reader], [], [], max(0, ends_at - time.monotonic()))[0]
        ):
            is_over = not self._listen()
            if self.is_idle:
                self.state = "idle"
            elif is_over or (self.point and not self.has_waited):
                self.has_waited = True
                self.state = _state(os.waitpid(self.pid, os.WUNTRACED)[1])
        self._listen()
        return self.state

    @property
    def is_idle(self) -> bool:
        """Return whether it lives and has nothing to do. Only a `Worker` can be idle."""
        return False

    def go_on(self) -> None:
        """Wake the process."""
        self.state = "running"
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Kill the process if it is alive, and close its pipe."""
        if self.state in ("running", "stopped", "idle"):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.reader)

    def reports(self, key: str) -> list:
        """Return the reports under ``key``."""
        return [message[key] for message in self.messages if key in message]

    @property
    def point(self) -> dict | None:
        """Return the report of the point where the signal struck, or None."""
        return next((message for message in self.messages if "point" in message), None)

    def _listen(self) -> bool:
        """Read its reports; return whether more can come."""
        is_open = False
        try:
            while chunk := os.read(self.reader, 65536):
                self.rest += chunk
        except BlockingIOError:  # nothing to read now; an end of file would have ended the loop
            is_open = True
        *lines, self.rest = self.rest.split(b"\n")
        self.messages += [json.loads(line) for line in lines]
        return is_open


class Worker(Child):
    """A forked process that does one order after another, as the processes in production do.

    A fork for each order would cost more than its work: memory is copied, and caches are empty.
    ``work_of(order)`` returns the work, a function like that of `Child`; both run in the child.
    """

    def __init__(self, work_of: Callable[[dict], Callable], max_seconds: int = MAX_SECONDS) -> None:
        orders, self.writer = os.pipe()
        writer = self.writer

        def run(send: Callable[[dict], None]) -> None:
            os.close(writer)
            gc.freeze()
            gc.enable()
            with os.fdopen(orders) as lines:
                for line in lines:
                    signal.alarm(max_seconds)
                    work_of(json.loads(line))(send)
                    signal.alarm(0)
                    send({"idle": True})

        super().__init__(run, max_seconds=0)
        os.close(orders)
        self.state, self.n_orders = "idle", 0

    @property
    def is_idle(self) -> bool:
        return len(self.reports("idle")) == self.n_orders

    def forget_reports(self) -> None:
        """Drop what it reported in the last run."""
        self.messages, self.n_orders, self.has_waited = [], 0, False

    def order(self, **order: object) -> None:
        """Give it the next order; `wait` returns "idle" once it is done."""
        self.state, self.n_orders = "running", self.n_orders + 1
        os.write(self.writer, json.dumps(order).encode() + b"\n")

    def end(self) -> None:
        """Kill the process if it is alive, and close its pipes."""
        os.close(self.writer)
        super().end()


def _state(status: int) -> str:
    if os.WIFSTOPPED(status):
        return "stopped"
    return "killed" if os.WIFSIGNALED(status) else "ended"


def _run_child(work: Callable, send: Callable[[dict], None], max_seconds: int) -> None:
    """Do the work in the child, then exit, so that it never runs the test's code or teardown."""
    gc.disable()  # a collection would write to, and so copy, the memory shared with the test
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        # If the process hangs, it prints its stack and dies.
        faulthandler.register(signal.SIGALRM, file=STDERR, chain=True)
        signal.alarm(max_seconds)
        root = logging.getLogger()
        root.handlers = [_Errors(send)]
        send({"result": work(send)})
    except BaseException:  # noqa: BLE001  # any error belongs into the report
        send({"error": traceback.format_exc()[-1500:]})
    finally:
        os._exit(0)


class _Errors(logging.Handler):
    """Report logged errors, so that a test sees failures that the code only logs."""

    def __init__(self, send: Callable[[dict], None]) -> None:
        super().__init__(logging.ERROR)
        self.send = send

    def emit(self, record: logging.LogRecord) -> None:
        self.send({"error": f"logged: {self.format(record)[-1500:]}"})
