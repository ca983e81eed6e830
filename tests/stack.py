"""A whole AudienceSync for tests: web, engine and sandbox as processes on free ports, in a folder of their own."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from audiencesync import crypto

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(var: Path, **more: str) -> dict[str, str]:
    """Settings of a demo installation that lives in ``var`` and beats every second."""
    return dict(os.environ) | {
        "DJANGO_SETTINGS_MODULE": "audiencesync.settings",
        "DEMO": "1",
        "SECRET_KEY": "only-for-tests-but-long-enough-to-be-a-key-0123456789-abcdefghij",
        "TOKEN_KEYS": crypto.new_key("test"),
        "VAR_DIR": str(var),
        "DATABASE_URL": f"sqlite:///{var / 'audiencesync.sqlite3'}",
        "REDIS_URL": "",
        "TIKTOK_APP_ID": "7000000000000000001",
        "TIKTOK_APP_SECRET": "sandbox-secret",
        "BEAT_SECONDS": "1",
        "ENGINE_STOP_SECONDS": "3",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def manage(env: dict[str, str], *arguments: str) -> str:
    """Run a management command to its end; its output."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers(url: str) -> bool:
    """Whether something speaks HTTP there."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait_until(condition, *, seconds: float = 30.0, what: str = "it did not happen") -> None:
    """Look every 0.1 s until ``condition()`` is true; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} within {seconds} s"
        time.sleep(0.1)


@dataclass
class Stack:
    """The three processes; `url` and `sandbox_url` are where they answer, `told` is what `manage.py demo` printed."""

    var: Path
    told: str = ""
    port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)
    more: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def env(self) -> dict[str, str]:
        addresses = {
            "SITE_URL": self.url,
            "TIKTOK_API_URL": self.sandbox_url,
            "TIKTOK_AUTH_URL": f"{self.sandbox_url}/portal/auth",
        }
        return environment(self.var, **addresses, **self.more)

    def manage(self, *arguments: str) -> str:
        """A management command beside the running processes."""
        return manage(self.env, *arguments)

    def start(self) -> None:
        """All three, and wait until both addresses answer."""
        bind = ["--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread", "--threads", "8"]
        self.spawn("web", "-m", "gunicorn", "audiencesync.wsgi", *bind)
        sandbox = ["--port", str(self.sandbox_port), "--db", str(self.var / "sandbox.sqlite3")]
        self.spawn("sandbox", "manage.py", "tiktok_sandbox", *sandbox)
        self.spawn("engine", "manage.py", "engine")
        for url in (f"{self.url}/accounts/login/", self.sandbox_url):
            wait_until(lambda url=url: answers(url), seconds=START_SECONDS, what=f"{url} did not answer\n{self.log()}")

    def spawn(self, name: str, *arguments: str) -> None:
        """Start one process; its words go to <name>.log."""
        with (self.var / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=self.env, stdout=log, stderr=log
            )

    def log(self, name: str = "web") -> str:
        """The last words of a process."""
        file = self.var / f"{name}.log"
        return file.read_text()[-3000:] if file.exists() else ""

    def stop(self) -> None:
        """End them all."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def prepared(var: Path) -> str:
    """Database, static files and demo in ``var``; returns what the demo told. Copy the folder for each stack."""
    env = environment(var)
    for command in (["migrate", "--no-input"], ["createcachetable"], ["collectstatic", "--no-input"]):
        manage(env, *command)
    return manage(env, "demo")


def copied(template: Path, var: Path) -> Path:
    """A fresh folder with the same content."""
    shutil.copytree(template, var, dirs_exist_ok=True)
    return var
