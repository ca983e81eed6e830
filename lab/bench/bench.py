"""Run the measurements, on a fresh stack for each database and each number of people."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import psutil

from lab.bench import goals, statement_counter
from lab.stack import processes
from lab.stack.servers import has_postgres, postgres
from lab.stack.stack import ROOT, START_SECONDS, Stack, StackError, wait_until

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
    "splits",
    "splits_spread",
    "splits_beside_backup",
    "page",
    "live",
    "waits",
    "changes",
    "flood",
    "churn",
    "backlog",
)
# The most people, calls or rows of a measurement; fewer if the database has fewer people.
MAX_BODIES = 200_000
MAX_EVENTS = 40
MAX_INGEST = 30_000
PAGE_OPENINGS = 10
MAX_IMPORTS = 300_000
CHANGES_PER_SECOND = 200
FLOOD_PER_SECOND = 2_000
KILL_INTERVAL = (3.0, 12.0)  # seconds between two kills of an engine
SETTLE_SECONDS = 5  # seconds until the cluster has started and its first beats are over
# A run with fewer people only tests the bench: its times do not matter, so it does not wait until
# the engine has started.
TRIAL_PEOPLE = 1_000
REST_SECONDS = 30  # how long to wait at most for the engine to become idle
IDLE_CPU_SECONDS = 0.06  # an idle engine uses less in one second, unless a beat falls into it
NOT_INSTALLED = "not installed"


@dataclass
class Bench:
    """What to measure, and the results: database -> number of people -> name -> numbers."""

    people: Sequence[int]  # numbers of people; each is measured on its own
    databases: Sequence[str]
    names: Sequence[str]  # of measurements, from NAMES
    kinds: Sequence[str]  # of identifiers to send
    say: Callable[[str], None]  # prints progress
    idle_seconds: int = 20
    busy_seconds: int = 60  # how long waits, changes, flood, churn and backlog are measured
    backlog: int = 0  # deliveries to make pending; 0: no measurement of a backlog
    walkers: int = 0  # the most people that go through splits; 0: all
    results: dict[str, Any] = field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Measure on all databases with all numbers of people."""
        for database in self.databases:
            if database == "postgresql" and not has_postgres():
                self.results[database] = NOT_INSTALLED
                continue
            self.results[database] = {str(n): self.measure(database, n) for n in self.people}
        return self.results

    def measure(self, database: str, n: int) -> dict[str, Any]:
        """Measure on one database with ``n`` people."""
        self.say(f"{database}, {n:,} people ...")
        server = postgres() if database == "postgresql" else nullcontext("")
        with server as url, folder() as var:
            env = {"REMOVAL_BRAKE_PERCENT": "100"} | ({"DATABASE_URL": url} if url else {})
            run = Run(Stack(var, extra_env=env), n, self)
            try:
                results = run.run(self.names)
            finally:
                run.stack.stop()
        return results | {"goals": goals.verdicts(results, database, n), "peers": goals.PEERS}


@dataclass
class Run:
    """One stack with its people; a method per measurement, named as in NAMES."""

    stack: Stack
    n: int
    bench: Bench

    def run(self, names: Sequence[str]) -> dict[str, Any]:
        """Prepare, then measure in the order of NAMES. Each measurement starts what it needs."""
        self.prepare()
        results = {
            name: getattr(self, name)()
            for name in NAMES
            if name in names and (name != "backlog" or self.bench.backlog)
        }
        if "calibration" in results:
            results["ratios"] = ratios(results)
        return results

    def prepare(self) -> None:
        """Make tables and people, start the sandbox."""
        self.stack.manage("migrate", "--no-input")
        self.stack.manage("createcachetable")
        port = str(self.stack.sandbox_port)
        self.stack.spawn("sandbox", "manage.py", "tiktok_sandbox", "--port", port)
        self.stack.await_answer("sandbox", self.stack.sandbox_url)
        self.run_task("people", n=self.n)

    def run_task(self, task: str, **arguments: Any) -> dict[str, Any]:
        """Run a task of lab.bench.worker in a new process. Raise StackError if it fails."""
        self.bench.say(f"  {task} ...")
        command = [
            sys.executable,
            "-m",
            "lab.bench.worker",
            json.dumps({"task": task, **arguments}),
        ]
        process = subprocess.run(
            command, cwd=ROOT, env=self.stack.env, capture_output=True, text=True, check=False
        )
        if process.returncode:
            raise StackError(f"{task} failed:\n{process.stderr[-3000:]}")
        result: dict[str, Any] = json.loads(process.stdout)
        return result

    def calibration(self) -> dict[str, Any]:
        """Measure the machine itself, for `ratios`."""
        return self.run_task("calibration", limit=100 * self.n)

    def bodies(self) -> dict[str, Any]:
        """Measure building requests."""
        return self.run_task("bodies", n=min(self.n, MAX_BODIES))

    def launch(self) -> dict[str, Any]:
        """Measure the time from a launch to the last settled batch, with the real engine."""
        with self.engine("manage.py", "engine"):
            before = self.cpu_seconds()
            results = self.run_task("launch", n=self.n, kinds=list(self.bench.kinds))
            after = self.cpu_seconds()
            spent = {name: round(after[name] - before[name], 2) for name in after}
            return results | {"cpu_seconds": spent, "most_memory_mb": self.peak_memory_mb()}

    def events(self) -> dict[str, Any]:
        """Measure the time from a REST call until its person is synced, with web and engine."""
        n = max(1, min(self.n // 50, MAX_EVENTS))
        with self.engine("manage.py", "engine"), self.web():
            return self.run_task("events", n=n, kinds=list(self.bench.kinds))

    def idle(self) -> dict[str, Any]:
        """Measure the engine while a canvas is live and no person moves."""
        self.bench.say("  idle ...")
        seconds = self.bench.idle_seconds
        with self.engine("manage.py", "engine", settle_seconds=SETTLE_SECONDS):
            before = processes.cpu_seconds(self.process_tree("engine"))
            time.sleep(seconds)
            spent = processes.cpu_seconds(self.process_tree("engine")) - before
        file = self.stack.var / "statements"
        counter = ("-m", "lab.bench.statement_counter", str(file))
        with self.engine(*counter, settle_seconds=SETTLE_SECONDS):
            wait_until(
                lambda: file.exists() and statement_counter.count(file),
                seconds=START_SECONDS,
                what="the engine ran no statement",
            )
            n_before = statement_counter.count(file)
            time.sleep(seconds)
            n_statements = statement_counter.count(file) - n_before
        return {
            "cpu_percent": round(100 * spent / seconds, 2),
            "sql_per_second": round(n_statements / seconds, 2),
        }

    def drain(self) -> dict[str, Any]:
        """Measure sending the pending people in one process."""
        return self.run_task("drain", kinds=list(self.bench.kinds))

    def live(self) -> dict[str, Any]:
        """Measure a live segment: count, admission, sweep and churn."""
        return self.run_task("live", n=self.n, kinds=list(self.bench.kinds))

    def splits(self) -> dict[str, Any]:
        """Measure visits that go through a delay and a split."""
        return self.run_task("splits", limit=self.bench.walkers)

    def splits_spread(self) -> dict[str, Any]:
        """Measure splits with every tenth person, so that no two profiles share a database page."""
        return self.run_task("splits", limit=self.bench.walkers, every=10)

    def splits_beside_backup(self) -> dict[str, Any]:
        """Measure splits while a backup's snapshot keeps the database from removing old rows."""
        return self.run_task("splits", limit=self.bench.walkers, has_backup=True)

    def page(self) -> dict[str, Any]:
        """Measure the page of a canvas of 200 steps."""
        self.stack.manage("collectstatic", "--no-input")
        return self.run_task("page", times=1 if self.n < TRIAL_PEOPLE else PAGE_OPENINGS)

    def waits(self) -> dict[str, Any]:
        """Measure the time from an event by REST until the person who waits for it moves on."""
        return self.beside_web_and_engine("waits", CHANGES_PER_SECOND)

    def changes(self) -> dict[str, Any]:
        """Measure the time from a change of a person by REST to the sandbox's answer."""
        return self.beside_web_and_engine("changes", CHANGES_PER_SECOND)

    def flood(self) -> dict[str, Any]:
        """Measure how much work waits for the engine while very many events arrive by REST."""
        return self.beside_web_and_engine("flood", FLOOD_PER_SECOND)

    def churn(self) -> dict[str, Any]:
        """Change 30 % of the people while two engines are killed at random; check the audiences."""
        engines, random = ("engine", "engine-2"), Random(self.n)
        n_kills = 0
        for name in engines:
            self.stack.spawn(name, "manage.py", "engine")
        with ThreadPoolExecutor(1) as pool:
            try:
                self.run_task("churn_begin", kinds=list(self.bench.kinds))
                started_at = time.monotonic()
                changing = pool.submit(self.run_task, "churn")
                while (
                    not changing.done() or time.monotonic() - started_at < self.bench.busy_seconds
                ):
                    time.sleep(random.uniform(*KILL_INTERVAL))
                    self.kill_and_restart(random.choice(engines))
                    n_kills += 1
                results = changing.result() | {"kills": n_kills} | self.run_task("churn_end")
            finally:
                self.stack.stop(*engines)
        return results | {"seconds": round(time.monotonic() - started_at, 1)}

    def kill_and_restart(self, engine: str) -> None:
        """Kill an engine with all its processes; start it again."""
        for process in self.process_tree(engine):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.stack.processes.pop(engine).wait()
        self.stack.spawn(engine, "manage.py", "engine")

    def beside_web_and_engine(self, task: str, per_second: int) -> dict[str, Any]:
        """Run a task that posts at a rate, for ``busy_seconds``, while web and engine run."""
        arguments = {"seconds": self.bench.busy_seconds, "per_second": per_second}
        with self.engine("manage.py", "engine"), self.web():
            return self.run_task(task, **arguments, kinds=list(self.bench.kinds))

    def imports(self) -> dict[str, Any]:
        """Measure importing a CSV file."""
        return self.run_task("imports", n=min(self.n, MAX_IMPORTS))

    def exports(self) -> dict[str, Any]:
        """Measure exporting all people into a CSV file."""
        return self.run_task("exports")

    def ingest(self) -> dict[str, Any]:
        """Measure the REST API, with the default number of web processes."""
        with self.web():
            results = self.run_task("ingest", n=min(self.n, MAX_INGEST))
            return results | {"most_memory_mb": self.peak_memory_mb("web")}

    def backlog(self) -> dict[str, Any]:
        """Measure the engine's memory and speed with very many people pending."""
        results = self.run_task("fill_backlog", n=self.bench.backlog, kinds=list(self.bench.kinds))
        arguments = {"pending": results["pending"], "started": time.monotonic()}
        with self.engine("manage.py", "engine", settle_seconds=0):
            # In a trial the last person must be sent, even on a slow machine.
            seconds = START_SECONDS if self.n < TRIAL_PEOPLE else self.bench.busy_seconds
            results |= self.run_task("watch_backlog", **arguments, seconds=seconds)
            return results | {"most_memory_mb": self.peak_memory_mb()}

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds so far of the processes that work at a launch."""
        spent = {
            name: processes.cpu_seconds(self.process_tree(name)) for name in ("engine", "sandbox")
        }
        if server := self.run_task("server")["pid"]:
            spent["postgresql"] = processes.cpu_seconds(processes.tree(server))
        return spent

    @contextmanager
    def web(self) -> Iterator[None]:
        """Run the web processes."""
        self.stack.spawn("web", "-m", "gunicorn", "--bind", f"127.0.0.1:{self.stack.port}")
        try:
            self.stack.await_answer("web", self.stack.url)
            yield
        finally:
            self.stack.stop("web")

    @contextmanager
    def engine(self, *arguments: str, settle_seconds: float | None = None) -> Iterator[None]:
        """Run the engine. Wait first for ``settle_seconds``, then until it is idle.

        0 waits for neither; this is the default in a trial. Otherwise SETTLE_SECONDS is.
        """
        if settle_seconds is None:
            settle_seconds = 0 if self.n < TRIAL_PEOPLE else SETTLE_SECONDS
        self.stack.spawn("engine", *arguments)
        try:
            time.sleep(settle_seconds)
            if settle_seconds:
                self.await_idle()
            yield
            if self.stack.processes["engine"].poll() is not None:
                raise StackError(f"the engine has ended by itself:\n{self.stack.log('engine')}")
        finally:
            self.stack.stop("engine")

    def await_idle(self) -> None:
        """Wait until the engine uses hardly any CPU, but for REST_SECONDS at most."""
        for _ in range(REST_SECONDS):
            before = processes.cpu_seconds(self.process_tree("engine"))
            time.sleep(1)
            if processes.cpu_seconds(self.process_tree("engine")) - before < IDLE_CPU_SECONDS:
                return

    def process_tree(self, name: str) -> list[psutil.Process]:
        """Return a process of the stack and its descendants."""
        return processes.tree(self.stack.processes[name].pid)

    def peak_memory_mb(self, *names: str) -> dict[str, int]:
        """Return, for each name, the memory of its largest process; default: engine and sandbox."""
        names = names or ("engine", "sandbox")
        return {name: processes.peak_memory_mb(self.process_tree(name)) for name in names}


def ratios(results: dict[str, Any]) -> dict[str, float]:
    """Return our rates divided by the rates of the bare machine in the same run."""
    machine, rates = results["calibration"], {}
    hashes, rows = machine["sha256_per_second"], machine["insert_rows_per_second"]
    if "bodies" in results:
        rates["from_raw / sha256"] = results["bodies"]["from_raw"] / hashes
        rates["from_stored_email / sha256"] = results["bodies"]["from_stored_email"] / hashes
    for name in ("launch", "drain", "splits", "splits_spread", "splits_beside_backup"):
        if name in results:
            rates[f"{name} / insert"] = results[name]["people_per_second"] / rows
    return {name: float(f"{rate:.3g}") for name, rate in rates.items()}


@contextmanager
def folder() -> Iterator[Path]:
    """Make a temporary folder."""
    var = Path(tempfile.mkdtemp(prefix="audiencesync-bench-"))
    try:
        yield var
    finally:
        shutil.rmtree(var, ignore_errors=True)
