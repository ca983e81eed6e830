"""A whole installation for one test: a database of its own, engine and web as processes, the sandbox in this process."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import connections

from tests.support import stack
from tests.system.crash.databases import Databases
from tests.system.faults.live import crowd
from tiktok_sandbox.server import Server

SCALED = {
    "SYNC_BACKOFF_BASE": "0.2",
    "SYNC_BACKOFF_MAX": "1",
    "SYNC_LEASE": "6",
    "SYNC_REQUEST_DEADLINE": "4",
    "SYNC_FLUSH_SECONDS": "2",
    "SYNC_PROBE": "1",
    "SYNC_THROTTLE_PARK": "1",
    "SYNC_REQUESTS_PER_SECOND": "1000",
    "SYNC_ERASURE_REST": "0",
    "ENGINE_SILENCE_SECONDS": "60",
    "ENGINE_STOP_SECONDS": "20",
    "LOG_FORMAT": "json",
    "STATICFILES_BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage",
}


def address(name: str) -> str:
    """DATABASE_URL of a database of these tests."""
    values = connections.databases["default"]
    if values["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{name}"
    return (
        f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{name}"
    )


@dataclass
class Site(stack.Stack):
    """What `do` runs, runs in a forked process against this site's database."""

    databases: Databases = field(kw_only=True)
    name: str = field(kw_only=True)
    server: Server = field(kw_only=True)

    def __post_init__(self) -> None:
        keys = {"SECRET_KEY": settings.SECRET_KEY, "TOKEN_KEYS": settings.TOKEN_KEYS[0]}
        self.more = SCALED | keys | {"DATABASE_URL": address(self.name)} | self.more
        super().__post_init__()

    def do(self, work, *args, **kwargs):
        """What ``work`` answers (through JSON). Fails with its traceback."""

        def live(tell):
            settings.TIKTOK_API_URL = self.sandbox_url
            return work(*args, **kwargs)

        child = self.databases.child(self.name, live)
        try:
            ended, errors = child.wait(), child.said("error")
            assert (ended, errors) == ("ended", []), "\n".join([ended, *errors])
            return child.said("result")[0]
        finally:
            child.end()

    def start(self, *names: str) -> None:
        """Engine, web, or both; waits until the web answers."""
        if "engine" in names:
            self.spawn("engine", "manage.py", "engine")
        if "web" in names:
            bind = [
                "--bind",
                f"127.0.0.1:{self.port}",
                "--worker-class",
                "gthread",
                "--threads",
                "4",
            ]
            self.spawn("web", "-m", "gunicorn", "audiencesync.wsgi", *bind, "--no-control-socket")
            self.await_answer("web", f"{self.url}/healthz")

    def whole_log(self, name: str) -> str:
        """All that a process has said."""
        return (self.var / f"{name}.log").read_text()

    def wait(self, condition, what: str, seconds: float = 60.0) -> None:
        """Until ``condition()``, asked five times a second; the engine's last words if it never comes."""
        ends_at = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends_at, (
                f"{what}: {self.do(crowd.counts)}\n{self.log('engine')}"
            )
            time.sleep(0.2)

    def rest(self, seconds: float = 60.0) -> dict[str, int]:
        """Until everybody has entered and nobody is pending; the counts then."""
        self.wait(lambda: self.do(crowd.is_quiet), "people still wait", seconds)
        return self.do(crowd.counts)

    def judge(self) -> None:
        """All laws hold, nothing is leased, and the sandbox holds whom we believe it holds."""
        assert self.do(crowd.broken_laws) == []
        for audience, believed in self.do(crowd.believed).items():
            there = {digest for _schema, digest in self.server.sandbox.audiences.listed(audience)}
            assert crowd.seal(there) == believed, audience

    def pushes(self) -> list:
        """The mapping requests that the sandbox has answered."""
        return [
            line for line in self.server.sandbox.log.all() if line.endpoint == "segment/mapping"
        ]


def descendants(pid: int) -> list[int]:
    """A process and all below it."""
    found, parents = [pid], {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return [one for one in found if one != os.getpid()]
