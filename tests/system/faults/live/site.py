"""An installation for one test: its own database, engine and web; the sandbox in this process."""

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

MAX_SECONDS = 300  # on a very busy machine: 60,000 people are created in one process
SCALED_ENV = {
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
    """Return the DATABASE_URL of a database of these tests."""
    values = connections.databases["default"]
    if values["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{name}"
    return (
        f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{name}"
    )


@dataclass
class Site(stack.Stack):
    """A stack with its own database, on which `do` runs functions."""

    databases: Databases = field(kw_only=True)
    name: str = field(kw_only=True)
    server: Server = field(kw_only=True)

    def __post_init__(self) -> None:
        keys = {"SECRET_KEY": settings.SECRET_KEY, "TOKEN_KEYS": settings.TOKEN_KEYS[0]}
        self.extra_env = SCALED_ENV | keys | {"DATABASE_URL": address(self.name)} | self.extra_env
        super().__post_init__()

    def do(self, work, *args, **kwargs):
        """Return the result of ``work`` (through JSON) in a forked process at this database.

        Fail with its traceback if it raises.
        """

        def run(_send):
            settings.TIKTOK_API_URL = self.sandbox_url
            return work(*args, **kwargs)

        child = self.databases.child(self.name, run, max_seconds=MAX_SECONDS)
        try:
            ended, errors = child.wait(MAX_SECONDS), child.reports("error")
            assert (ended, errors) == ("ended", []), "\n".join([ended, *errors])
            return child.reports("result")[0]
        finally:
            child.end()

    def start(self, *names: str) -> None:
        """Start "engine", "web" or both; wait until the web answers."""
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
        """Return the whole log of a process."""
        return (self.var / f"{name}.log").read_text()

    def wait(self, condition, what: str, seconds: float = 240.0) -> None:
        """Wait for ``condition()``; fail with the counts and the end of the engine's log."""
        ends_at = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends_at, (
                f"{what}: {self.do(crowd.counts)}\n{self.log('engine')}"
            )
            time.sleep(0.5)  # most conditions fork a process

    def await_rest(self, seconds: float = 240.0) -> dict[str, int]:
        """Wait until all people have entered and none is pending; return the counts."""
        self.wait(lambda: self.do(crowd.is_at_rest), "people are still pending", seconds)
        return self.do(crowd.counts)

    def check_at_rest(self) -> None:
        """Check all laws, open leases, and our members against the sandbox's."""
        assert self.do(crowd.broken_laws) == []
        for audience, expected in self.do(crowd.expected_members).items():
            actual = {
                digest for _schema, digest in self.server.sandbox.audiences.member_ids(audience)
            }
            assert crowd.fingerprint(actual) == expected, audience

    def pushes(self) -> list:
        """Return the mapping requests that the sandbox has answered."""
        return [
            line for line in self.server.sandbox.log.all() if line.endpoint == "segment/mapping"
        ]


def descendants(pid: int) -> list[int]:
    """Return the ids of a process and its descendants."""
    pids, parents = [pid], {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    for ancestor in pids:  # the loop appends to the list, so it also finds children of children
        pids += [child for child, parent in parents.items() if parent == ancestor]
    return [pid for pid in pids if pid != os.getpid()]
