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

from canvases.rehearsal import counted, processes
from canvases.rehearsal.stack import ROOT, Stack, StackError

NAMES = ("calibration", "bodies", "launch", "idle", "drain")
BODIES = 200_000
SETTLE_SECONDS = 5  # until the cluster is up and its first beats are over
NOT_INSTALLED = "not installed"
# Durable like a server in earnest; only what every handbook raises first.
SERVER = "-c shared_buffers=256MB -c max_wal_size=4GB -c max_connections=100"


@dataclass
class Bench:
    """What to measure, and what was found: database -> people -> name -> numbers."""

    people: Sequence[int]
    databases: Sequence[str]
    names: Sequence[str]
    kinds: Sequence[str]
    say: Callable[[str], None]
    idle_seconds: int = 20
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
            one = One(Stack(var, more={"DATABASE_URL": url} if url else {}), n, self.kinds, self.say, self.idle_seconds)
            try:
                return one.run(self.names)
            finally:
                one.stack.stop()


@dataclass
class One:
    """One stack with its people."""

    stack: Stack
    n: int
    kinds: Sequence[str]
    say: Callable[[str], None]
    idle_seconds: int

    def run(self, names: Sequence[str]) -> dict[str, Any]:
        """Prepare, then measure what was asked for, in the order that suits: the engine runs only where it must."""
        self.prepare()
        found = {name: getattr(self, name)() for name in NAMES if name in names}
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
        self.say(f"  {task} ...")
        command = [sys.executable, "-m", "canvases.rehearsal.worker", json.dumps({"task": task, **told})]
        done = subprocess.run(command, cwd=ROOT, env=self.stack.env, capture_output=True, text=True, check=False)
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
            found = self.work("launch", n=self.n, kinds=list(self.kinds))
            return found | {"most_memory_mb": {name: self.memory(name) for name in ("engine", "sandbox")}}

    def idle(self) -> dict[str, Any]:
        """What the engine costs while a canvas is live and nobody moves."""
        self.say("  idle ...")
        with self.engine("manage.py", "engine"):
            before = processes.cpu_seconds(self.pids("engine"))
            time.sleep(self.idle_seconds)
            spent = processes.cpu_seconds(self.pids("engine")) - before
        file = self.stack.var / "statements"
        with self.engine("-m", "canvases.rehearsal.counted", str(file)):
            begun = counted.count(file)
            time.sleep(self.idle_seconds)
            statements = counted.count(file) - begun
        return {
            "cpu_percent": round(100 * spent / self.idle_seconds, 2),
            "sql_per_second": round(statements / self.idle_seconds, 2),
        }

    def drain(self) -> dict[str, Any]:
        """Sending who is pending, one process."""
        return self.work("drain", kinds=list(self.kinds))

    @contextmanager
    def engine(self, *arguments: str) -> Iterator[None]:
        """The engine, started and at rest; stopped afterwards."""
        self.stack.spawn("engine", *arguments)
        try:
            time.sleep(SETTLE_SECONDS)
            yield
        finally:
            self.stack.stop("engine")

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
    return bool(list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))) or shutil.which("initdb") is not None


def postgres() -> AbstractContextManager[str]:
    """A private server for a while; gives its address."""
    script = _script("postgres")
    script.QUICK = SERVER  # type: ignore[attr-defined]  # a constant of that script
    server: AbstractContextManager[str] = script.server()
    return server


def _script(name: str) -> ModuleType:
    """A module of scripts/, which is no package: it also runs without the virtual environment."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise StackError(f"scripts/{name}.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
