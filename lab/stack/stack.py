"""A whole AudienceSync of its own: web, engine and sandbox as processes on free ports, in a folder of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
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

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 120  # a busy machine; some 5 otherwise
STOP_SECONDS = 15
KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
)  # of our own environment


class StackError(AssertionError):
    """A process that failed, or something that did not happen in time; the text says what."""


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def environment(var: Path, **more: str) -> dict[str, str]:
    """Settings of a demo installation that lives in ``var``, with fresh keys; of our own environment only the paths."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {
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
    """Run a management command to its end; its output. Raises StackError with all it said."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"`manage.py {arguments[0]}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def answers(url: str) -> bool:
    """Whether something speaks HTTP there."""
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
    """Look every 0.1 s until ``condition()`` is true. Raises StackError after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise StackError(f"{what} within {seconds} s")
        time.sleep(0.1)


@dataclass
class Stack:
    """The three processes; `url` and `sandbox_url` are where they answer, `told` is what `manage.py demo` printed."""

    var: Path
    told: str = ""
    port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)
    more: dict[str, str] = field(default_factory=dict)
    sandbox_options: tuple[str, ...] = ()
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    env: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        addresses = {
            "SITE_URL": self.url,
            "TIKTOK_API_URL": self.sandbox_url,
            "TIKTOK_AUTH_URL": f"{self.sandbox_url}/portal/auth",
        }
        self.env = environment(self.var, **addresses, **self.more)

    @property
    def url(self) -> str:
        """Where the product answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        """Where the pretend TikTok answers."""
        return f"http://127.0.0.1:{self.sandbox_port}"

    def manage(self, *arguments: str) -> str:
        """A management command beside the running processes."""
        return manage(self.env, *arguments)

    def start(self) -> None:
        """All three, and wait until both addresses answer."""
        bind = ["--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread", "--threads", "8"]
        self.spawn("web", "-m", "gunicorn", "audiencesync.wsgi", *bind)
        sandbox = [
            "--port",
            str(self.sandbox_port),
            "--db",
            str(self.var / "sandbox.sqlite3"),
            *self.sandbox_options,
        ]
        self.spawn("sandbox", "manage.py", "tiktok_sandbox", *sandbox)
        self.spawn("engine", "manage.py", "engine")
        for name, url in (("web", f"{self.url}/accounts/login/"), ("sandbox", self.sandbox_url)):
            self.await_answer(name, url)

    def await_answer(self, name: str, url: str) -> None:
        """Wait until a process answers. Raises StackError with its last words."""
        try:
            wait_until(lambda: answers(url), seconds=START_SECONDS, what=f"{url} did not answer")
        except StackError as error:
            raise StackError(f"{error}\n{self.log(name)}") from error

    def spawn(self, name: str, *arguments: str) -> None:
        """Start one process in a group of its own (Ctrl-C is ours to handle); its words go to <name>.log."""
        with (self.var / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str = "web") -> str:
        """The last words of a process."""
        file = self.var / f"{name}.log"
        return file.read_text()[-3000:] if file.exists() else ""

    def stop(self, *names: str) -> None:
        """End these processes, or all, with whatever they have started."""
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


def prepared(var: Path, *, env: dict[str, str] | None = None, people: int | None = None) -> str:
    """Database, static files and demo in ``var``; returns what the demo told. Copy the folder for each stack."""
    env = env or environment(var)
    for command in (
        ["migrate", "--no-input"],
        ["createcachetable"],
        ["collectstatic", "--no-input"],
    ):
        manage(env, *command)
    return manage(env, "demo", *([] if people is None else ["--people", str(people)]))


def copied(template: Path, var: Path) -> Path:
    """A fresh folder with the same content."""
    shutil.copytree(template, var, dirs_exist_ok=True)
    return var
