"""Run web, engine and sandbox as processes on free ports, with their data in one folder."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from audiencesync.core import crypto
from scripts.ports import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 120  # enough for a busy machine; usually a process needs 5
STOP_SECONDS = 15
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")


class StackError(AssertionError):
    """A process has failed, or a condition was not met in time; the message says which."""


def environment(var: Path, **more: str) -> dict[str, str]:
    """Return the environment of a demo installation in ``var``, with new keys."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ} | {
        "DEMO": "1",
        "DJANGO_SETTINGS_MODULE": "audiencesync.settings",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "TOKEN_KEYS": crypto.new_key("rehearsal"),
        "VAR_DIR": str(var),
        "DATABASE_URL": f"sqlite:///{var / 'audiencesync.sqlite3'}",
        "TIKTOK_APP_ID": "7000000000000000001",
        "TIKTOK_APP_SECRET": "sandbox-secret",
        "ENGINE_STOP_SECONDS": "3",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def manage(env: dict[str, str], *arguments: str) -> str:
    """Run a management command; return its output. Raises StackError with all output."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"`manage.py {arguments[0]}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def answers(url: str) -> bool:
    """Return whether a server answers HTTP there, with any status."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own address
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait_until(
    condition: Callable[[], object], *, seconds: float = 30.0, what: str = "it did not happen"
) -> None:
    """Test ``condition()`` every 0.1 s until it is true. Raise StackError after ``seconds``.

    ``what``: the beginning of the error's message, such as "the web process did not answer".
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StackError(f"{what} within {seconds} s")
        time.sleep(0.1)


@dataclass
class Stack:
    """The processes of one installation; ``demo_output`` is what `manage.py demo` printed."""

    var: Path
    demo_output: str = ""
    port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)
    extra_env: dict[str, str] = field(default_factory=dict)
    sandbox_options: tuple[str, ...] = ()
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    env: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        addresses = {
            "SITE_URL": self.url,
            "TIKTOK_API_URL": self.sandbox_url,
            "TIKTOK_AUTH_URL": f"{self.sandbox_url}/portal/auth",
        }
        self.env = environment(self.var, **addresses, **self.extra_env)

    @property
    def url(self) -> str:
        """The address of the product."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """The address of the sandbox."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    def manage(self, *arguments: str) -> str:
        """Run a management command in the environment of this stack; return its output."""
        return manage(self.env, *arguments)

    def start(self) -> None:
        """Start web, sandbox and engine; wait until web and sandbox answer."""
        bind = ["--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread", "--threads", "8"]
        self.spawn("web", "-m", "gunicorn", "audiencesync.wsgi", *bind)
        port, file = str(self.sandbox_port), str(self.var / "sandbox.sqlite3")
        sandbox = ["--port", port, "--db", file, *self.sandbox_options]
        self.spawn("sandbox", "manage.py", "tiktok_sandbox", *sandbox)
        self.spawn("engine", "manage.py", "engine")
        for name, url in (("web", f"{self.url}/accounts/login/"), ("sandbox", self.sandbox_url)):
            self.await_answer(name, url)

    def await_answer(self, name: str, url: str) -> None:
        """Wait until a process answers. Raises StackError with the end of its log."""
        try:
            wait_until(lambda: answers(url), seconds=START_SECONDS, what=f"{url} did not answer")
        except StackError as error:
            raise StackError(f"{error}\n{self.log(name)}") from error

    def spawn(self, name: str, *arguments: str) -> None:
        """Start ``python *arguments``; its output goes to <name>.log."""
        with (self.var / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C must reach only our process, which stops these
            )

    def log(self, name: str = "web") -> str:
        """Return the last 3,000 characters that a process has written."""
        file = self.var / f"{name}.log"
        return file.read_text()[-3000:] if file.exists() else ""

    def stop(self, *names: str) -> None:
        """Stop these processes, or all; kill the process group of each that does not stop."""
        ending = [self.processes.pop(name) for name in names or list(self.processes)]
        for process in ending:
            process.terminate()
        for process in ending:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                _kill_group(process)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def prepare(var: Path, *, env: dict[str, str] | None = None, people: int | None = None) -> str:
    """Make database, static files and demo in ``var``; return the output of the demo command.

    Pass the ``env`` of a `Stack` that is to start there: it has the keys that encrypt the data.
    """
    env = env or environment(var)
    manage(env, "migrate", "--no-input")
    manage(env, "createcachetable")
    manage(env, "collectstatic", "--no-input")
    return manage(env, "demo", *([] if people is None else ["--people", str(people)]))
