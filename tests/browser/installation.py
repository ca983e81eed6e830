"""An installation by README's commands, run in a copy of the project, and a sandbox."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from contextlib import suppress
from hashlib import sha256

from audiencesync.core import crypto
from tests.support import stack

SETUP_LINK = re.compile(r"http://127\.0\.0\.1:\d+(/setup/[\w-]+/)")
EXPORT = re.compile(r"([A-Z_]+)=(\S+)")
LOCK = "requirements.lock"
START_SECONDS = 240  # a busy machine; the block itself takes some 20


def readme_commands():
    """Return the commands under "In production"."""
    readme = (stack.ROOT / "README.md").read_text()
    return readme.partition("## In production")[2].split("```")[1]


def fill_exports(commands, values):
    """Return the block with values in its exports; assert that no value is left over."""
    unused = dict(values)

    def fill(line):
        code, sign, comment = line.partition("#")
        if not code.startswith("export "):
            return line
        return (
            EXPORT.sub(lambda match: f"{match[1]}={shlex.quote(unused.pop(match[1]))}", code)
            + sign
            + comment
        )

    lines = [fill(line) for line in commands.splitlines()]
    assert unused == {}
    return "\n".join(lines)


def copy_installation(folder):
    """Copy the project's files, with links to this .venv so that no package is installed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=stack.ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, target = stack.ROOT / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    venv = folder / ".venv"
    venv.mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (venv / part).symlink_to(stack.ROOT / ".venv" / part)
    (venv / f"{LOCK}.sha256").write_text(sha256((folder / LOCK).read_bytes()).hexdigest())
    return folder


class Installation:
    """The processes of the block; ``url`` and ``sandbox_url`` as in a stack."""

    def __init__(self, folder, database_url):
        self.folder = copy_installation(folder / "project")
        self.log = folder / "log"
        self.sandbox = stack.Stack(folder)  # only its sandbox is started
        self.url, self.sandbox_url = self.sandbox.url, self.sandbox.sandbox_url
        self.values = {
            "SECRET_KEY": os.urandom(32).hex(),
            "TOKEN_KEYS": crypto.new_key("k1"),
            "SITE_URL": self.url,
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": database_url or f"sqlite:///{folder}/audiencesync.sqlite3",
            "TIKTOK_APP_ID": self.sandbox.env["TIKTOK_APP_ID"],
            "TIKTOK_APP_SECRET": self.sandbox.env["TIKTOK_APP_SECRET"],
            "EMAIL_HOST": "127.0.0.1",
            "DEFAULT_FROM_EMAIL": "audiences@example.org",
        }
        self.shell = None

    def start(self):
        port = str(self.sandbox.sandbox_port)
        self.sandbox.spawn("sandbox", "manage.py", "tiktok_sandbox", "--port", port)
        script = fill_exports(readme_commands(), self.values)
        names = ("TIKTOK_API_URL", "TIKTOK_AUTH_URL")
        env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        env |= {name: self.sandbox.env[name] for name in names}
        env |= {
            "VAR_DIR": str(self.folder / "var"),
            "WEB_PORT": str(self.sandbox.port),
            "PYTHONUNBUFFERED": "1",
        }
        command = ["bash", "-euo", "pipefail", "-c", script]
        with self.log.open("w") as log:
            self.shell = subprocess.Popen(
                command, cwd=self.folder, env=env, stdout=log, stderr=log, start_new_session=True
            )
        for url in (f"{self.sandbox_url}/", f"{self.url}/healthz"):
            stack.wait_until(
                lambda url=url: self.answers(url),
                seconds=START_SECONDS,
                what=f"{url} did not answer",
            )

    def answers(self, url):
        assert self.shell.poll() is None, self.log.read_text()[-3000:]
        return stack.answers(url)

    def links(self):
        """Return the paths of the one-time links in the log."""
        return SETUP_LINK.findall(self.log.read_text())

    def stop(self):
        """Stop all processes of the shell and the sandbox."""
        self.sandbox.stop()
        if self.shell is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.shell.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.shell.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(self.shell.pid, signal.SIGKILL)
        self.shell.wait()
