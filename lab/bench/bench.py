"""Runs the measurements: per database a fresh stack per number of people, everything in one run beside a calibration."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.bench import counted, goals
from lab.stack import processes
from lab.stack.stack import ROOT, Stack, StackError

NAMES = (
    "calibration",
    "bodies",
    "launch",
    "events",
    "idle",
    "drain",
    "ingest",
    "imports",
    "exports",
    "backlog",
)
BODIES = 200_000
EVENTS = 40
INGEST = 30_000
IMPORTS = 300_000
BACKLOG_SECONDS = 90  # as long as the engine works at it, a minute's housekeeping included
SETTLE_SECONDS = 5  # until the cluster is up and its first beats are over
REST_SECONDS = 30
AT_REST = 0.06  # CPU seconds in one second: a beat falls into some
NOT_INSTALLED = "not installed"
# Durable like a server in earnest; only what every handbook raises first.
SERVER = "-c shared_buffers=1GB -c max_wal_size=4GB -c max_connections=100"


@dataclass
class Bench:
    """What to measure, and what was found: database -> people -> name -> numbers."""

    people: Sequence[int]
    databases: Sequence[str]
    names: Sequence[str]
    kinds: Sequence[str]
    say: Callable[[str], None]
    idle_seconds: int = 20
    backlog: int = 0
    found: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """All of it."""
        for database in self.databases:
            if database == "postgresql" and not has_postgres():
                self.found[database] = NOT_INSTALLED
                continue
            self.found[database] = {str(n): self.measured(database, n) for n in self.people}
        return self.found

    def measured(self, database: str, n: int) -> dict[str, Any]:
        """One number of people on one database."""
        self.say(f"{database}, {n:,} people ...")
        server = postgres() if database == "postgresql" else nullcontext("")
        with server as url, folder() as var:
            one = One(Stack(var, more={"DATABASE_URL": url} if url else {}), n, self)
            try:
                found = one.run(self.names)
                return found | {"goals": goals.judged(found, database, n), "peers": goals.PEERS}
            finally:
                one.stack.stop()


@dataclass
class One:
    """One stack with its people."""

    stack: Stack
    n: int
    asked: Bench

    def run(self, names: Sequence[str]) -> dict[str, Any]:
        """Prepare, then measure what was asked for, in the order that suits: the engine runs only where it must."""
        self.prepare()
        found = {
            name: getattr(self, name)()
            for name in NAMES
            if name in names and (name != "backlog" or self.asked.backlog)
        }
        if "calibration" in found:
            found["ratios"] = ratios(found)
        return found

    def prepare(self) -> None:
        """Tables, people, sandbox."""
        self.stack.manage("migrate", "--no-input")
        self.stack.manage("createcachetable")
        sandbox = ["--port", str(self.stack.sandbox_port)]
        self.stack.spawn("sandbox", "manage.py", "tiktok_sandbox", *sandbox)
        self.stack.await_answer("sandbox", self.stack.sandbox_url)
        self.work("people", n=self.n)

    def work(self, task: str, **told: Any) -> dict[str, Any]:
        """One task in a process of its own. Raises StackError with its last words."""
        self.asked.say(f"  {task} ...")
        command = [sys.executable, "-m", "lab.bench.worker", json.dumps({"task": task, **told})]
        done = subprocess.run(
            command, cwd=ROOT, env=self.stack.env, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise StackError(f"{task} failed:\n{done.stderr[-3000:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def calibration(self) -> dict[str, Any]:
        """The machine itself."""
        return self.work("calibration")

    def bodies(self) -> dict[str, Any]:
        """Building requests."""
        return self.work("bodies", n=min(self.n, BODIES))

    def launch(self) -> dict[str, Any]:
        """From Launch to the last settle, by the real engine; and the most memory that any process held."""
        with self.engine("manage.py", "engine"):
            before = self.cpu()
            found = self.work("launch", n=self.n, kinds=list(self.asked.kinds))
            spent = {name: round(seconds - before[name], 2) for name, seconds in self.cpu().items()}
            memory = {name: self.memory(name) for name in ("engine", "sandbox")}
            return found | {"cpu_seconds": spent, "most_memory_mb": memory}

    def events(self) -> dict[str, Any]:
        """People who arrive one by one while the engine runs."""
        with self.engine("manage.py", "engine"):
            return self.work(
                "events", n=max(1, min(self.n // 50, EVENTS)), kinds=list(self.asked.kinds)
            )

    def idle(self) -> dict[str, Any]:
        """What the engine costs while a canvas is live and nobody moves."""
        self.asked.say("  idle ...")
        with self.engine("manage.py", "engine"):
            before = processes.cpu_seconds(self.pids("engine"))
            time.sleep(self.asked.idle_seconds)
            spent = processes.cpu_seconds(self.pids("engine")) - before
        file = self.stack.var / "statements"
        with self.engine("-m", "lab.bench.counted", str(file)):
            begun = counted.count(file)
            time.sleep(self.asked.idle_seconds)
            statements = counted.count(file) - begun
        return {
            "cpu_percent": round(100 * spent / self.asked.idle_seconds, 2),
            "sql_per_second": round(statements / self.asked.idle_seconds, 2),
        }

    def drain(self) -> dict[str, Any]:
        """Sending who is pending, one process."""
        return self.work("drain", kinds=list(self.asked.kinds))

    def imports(self) -> dict[str, Any]:
        """A CSV file, row by row into the database."""
        return self.work("imports", n=min(self.n, IMPORTS))

    def exports(self) -> dict[str, Any]:
        """Everybody into a CSV file."""
        return self.work("exports")

    def ingest(self) -> dict[str, Any]:
        """The REST API, with as many web processes as an installation has without settings."""
        self.stack.spawn("web", "-m", "gunicorn", "--bind", f"127.0.0.1:{self.stack.port}")
        try:
            self.stack.await_answer("web", self.stack.url)
            found = self.work("ingest", n=min(self.n, INGEST))
            return found | {"most_memory_mb": {"web": self.memory("web")}}
        finally:
            self.stack.stop("web")

    def backlog(self) -> dict[str, Any]:
        """The engine with very many people pending: does its memory stay flat, and how fast are they gone?"""
        found = self.work("backlog", n=self.asked.backlog, kinds=list(self.asked.kinds))
        started = time.monotonic()
        with self.engine("manage.py", "engine", rest=0):
            found |= self.work(
                "drained", pending=found["pending"], started=started, seconds=BACKLOG_SECONDS
            )
            memory = {name: self.memory(name) for name in ("engine", "sandbox")}
        return found | {"most_memory_mb": memory}

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far of what works at a launch."""
        spent = {name: processes.cpu_seconds(self.pids(name)) for name in ("engine", "sandbox")}
        if server := self.work("server")["pid"]:
            spent["postgresql"] = processes.cpu_seconds(processes.tree(server))
        return spent

    @contextmanager
    def engine(self, *arguments: str, rest: float = SETTLE_SECONDS) -> Iterator[None]:
        """The engine, started and at rest; stopped afterwards."""
        self.stack.spawn("engine", *arguments)
        try:
            time.sleep(rest)
            if rest:
                self.await_rest()
            yield
            if self.stack.processes["engine"].poll() is not None:
                raise StackError(f"the engine has ended by itself:\n{self.stack.log('engine')}")
        finally:
            self.stack.stop("engine")

    def await_rest(self) -> None:
        """On a busy machine a start takes longer: wait until the engine spends next to nothing."""
        for _ in range(REST_SECONDS):
            before = processes.cpu_seconds(self.pids("engine"))
            time.sleep(1)
            if processes.cpu_seconds(self.pids("engine")) - before < AT_REST:
                return

    def pids(self, name: str) -> list[int]:
        """A process of the stack and its children."""
        return processes.tree(self.stack.processes[name].pid)

    def memory(self, name: str) -> int:
        """The most that any one of them has held, in MB."""
        return processes.most_memory_mb(self.pids(name))


def ratios(found: dict[str, Any]) -> dict[str, float]:
    """Our rates as parts of what the machine did in the same run."""
    machine, rates = found["calibration"], {}
    hashes, rows = machine["sha256_per_second"], machine["insert_rows_per_second"]
    if "bodies" in found:
        rates["from_raw / sha256"] = found["bodies"]["from_raw"] / hashes
        rates["from_stored_email / sha256"] = found["bodies"]["from_stored_email"] / hashes
    for name in ("launch", "drain"):
        if name in found:
            rates[f"{name} / insert"] = found[name]["people_per_second"] / rows
    return {name: round(rate, 3) for name, rate in rates.items()}


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder."""
    var = Path(tempfile.mkdtemp(prefix="audiencesync-bench-"))
    try:
        yield var
    finally:
        shutil.rmtree(var, ignore_errors=True)


def has_postgres() -> bool:
    """Whether a private server can be started here."""
    return (
        bool(list(Path("/usr/lib/postgresql").glob("*/bin/initdb")))
        or shutil.which("initdb") is not None
    )


def postgres() -> AbstractContextManager[str]:
    """A private server for a while; gives its address."""
    script = _script("postgres")
    script.QUICK = SERVER  # type: ignore[attr-defined]  # a constant of that script
    server: AbstractContextManager[str] = script.server()
    return server


def redis() -> AbstractContextManager[str]:
    """A private Redis for a while; gives its address."""
    server: AbstractContextManager[str] = _script("redis_server").server()
    return server


def _script(name: str) -> ModuleType:
    """A module of scripts/, which is no package: it also runs without the virtual environment."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise StackError(f"scripts/{name}.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
