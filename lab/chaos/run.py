"""Run chaos: kill and stop engines on one database at random, during faults and acts of users.

The tests in tests/system/crash kill at listed points; a chaos run looks for failures elsewhere.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lab.chaos import report as chaos_report
from lab.chaos.faults import FaultInjector
from lab.chaos.nemesis import ROLE, Nemesis, Restarter, processes, send
from lab.chaos.report import Report
from lab.stack import servers
from lab.stack.sandbox import SandboxClient
from lab.stack.stack import ROOT, Stack, StackError

ACTORS = 2
CALM_SECONDS = 90.0  # how long the engines may work after the storm; usually a few seconds
TICK_SECONDS = 0.1
# A storm proves little with fewer of these. On a busy machine it lasts longer to reach them, by
# EXTRA_SECONDS at most.
MINIMUM = {"strikes": 5, "failed calls": 5, "checks of leases": 5}
EXTRA_SECONDS = 300
NEWEST_CALLS = 1000  # how many calls of the sandbox's log are searched for failed ones
LEASE_SECONDS = 2.0
# Leases, back-offs and the deadline of 13 hours are scaled down to seconds.
SCALED_ENV = {
    "BEAT_SECONDS": "1",
    "SYNC_LEASE": str(LEASE_SECONDS),
    "SYNC_CREATE_LEASE": "3",
    "SYNC_REQUEST_DEADLINE": "1",
    "SYNC_FLUSH_SECONDS": "2",
    "SYNC_BACKOFF_BASE": "0.2",
    "SYNC_BACKOFF_MAX": "1",
    "SYNC_PROBE": "0.5",
    "SYNC_THROTTLE_PARK": "0.5",
    "SYNC_DEADLINE": "20",
    "ENGINE_WORKERS": "2",
    "ENGINE_SILENCE_SECONDS": "15",
    "ENGINE_STOP_SECONDS": "1",
    "LOG_FORMAT": "json",
}


@dataclass
class Chaos:
    """One run; its folder is kept with logs, journals and, on SQLite, the database."""

    folder: Path
    seed: int
    seconds: float
    engines: int
    database: str
    redis: bool
    say: Callable[[str], None]
    report: Report = field(init=False)
    stack: Stack = field(init=False)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.report = Report(
            self.seed, self.database, self.redis, self.engines, self.seconds, str(self.folder)
        )

    def run(self) -> Report:
        """Prepare, storm, calm down and judge. Raise StackError if a process cannot start."""
        with ExitStack() as exits:
            env = dict(SCALED_ENV)
            if self.database == "postgresql":
                env["DATABASE_URL"] = exits.enter_context(servers.postgres())
            env["REDIS_URL"] = exits.enter_context(servers.redis()) if self.redis else ""
            self.stack = Stack(self.folder, extra_env=env)
            try:
                self.begin()
                self.storm()
                self.end()
            finally:
                self.kill_all()
        self.report.violations += chaos_report.log_errors(sorted(self.folder.glob("*.log")))
        return self.report

    def begin(self) -> None:
        """Make the tables and first rows; start sandbox, watcher, engines and actors."""
        self.say("Preparing ...")
        self.stack.manage("migrate", "--no-input")
        self.stack.manage("createcachetable")
        self.spawn("sandbox", "manage.py", "tiktok_sandbox", "--port", str(self.stack.sandbox_port))
        self.stack.await_answer("sandbox", self.stack.sandbox_url)
        self.run_task("make")
        self.spawn("watch", *worker("watch", file=str(self.watch_file)))
        for spawn in self.killable().values():
            spawn()

    def storm(self) -> None:
        """Inject faults and strike until the time is over and MINIMUM is reached."""
        self.say(f"Storm of {self.seconds:.0f} s, seed {self.seed} ...")
        roles = list(self.killable())
        engines, actors = roles[: self.engines], roles[self.engines :]
        nemesis = Nemesis(
            self.folder, engines=engines, actors=actors, lease=LEASE_SECONDS, seed=self.seed
        )
        restarter = self.restarter(roles)
        faults = FaultInjector(self.stack.sandbox_url, seed=self.seed)
        faults.begin()
        ticks = (faults.change, nemesis.tick, restarter.tick)
        self.repeat(*ticks, seconds=self.seconds)
        for _second in range(EXTRA_SECONDS):
            if not self.shortfalls(nemesis):
                break
            self.repeat(*ticks, seconds=1.0)
        self.report.violations += self.shortfalls(nemesis)
        nemesis.end()
        faults.clear()
        self.report.strikes = dict(nemesis.n_strikes)
        (self.folder / "strikes.txt").write_text("\n".join(nemesis.log) + "\n")

    def repeat(self, *ticks: Callable[[], object], seconds: float) -> None:
        """Call these functions again and again for ``seconds``."""
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            for tick in ticks:
                tick()
            time.sleep(TICK_SECONDS)

    def shortfalls(self, nemesis: Nemesis) -> list[str]:
        """Return a sentence for each number of MINIMUM that the storm has not reached yet."""
        calls = SandboxClient(self.stack.sandbox_url).requests(limit=NEWEST_CALLS)["requests"]
        met = {
            "strikes": nemesis.n_strikes.total(),
            "failed calls": sum(bool(call["fault"]) for call in calls),
            "checks of leases": chaos_report.read_watch(self.watch_file).lease_checks,
        }
        return [
            f"the storm met {met[name]} {name}, at least {least} are needed"
            for name, least in MINIMUM.items()
            if met[name] < least
        ]

    def end(self) -> None:
        """Kill the actors, let the engines finish, and judge."""
        self.say("Calm ...")
        for actor in range(ACTORS):
            self.kill(f"actor-{actor}")
        journals = [str(self.journal(actor)) for actor in range(ACTORS)]
        restarter = self.restarter([role for role in self.killable() if role.startswith("engine")])
        self.report.calm = self.run_task(
            "calm", meanwhile=restarter.tick, journals=journals, seconds=CALM_SECONDS
        )
        if not self.report.calm.get("rests"):
            self.report.violations.append(f"After {CALM_SECONDS:.0f} s of calm it is not at rest")
        end = self.run_task("judge", journals=journals)
        self.report.people, self.report.acts = end["people"], end["acts"]
        self.report.requests = end["requests"]
        watched = chaos_report.read_watch(self.watch_file)
        self.report.checks, self.report.lease_checks = watched.checks, watched.lease_checks
        self.report.longest_silence = watched.longest_silence
        self.report.violations += [*watched.violations, *end["broken"]]

    @property
    def watch_file(self) -> Path:
        """Where the watcher writes a line per check of the laws."""
        return self.folder / "watch.jsonl"

    def killable(self) -> dict[str, Callable[[], None]]:
        """Return the roles that may be killed and how each is started, engines first."""
        spawns: dict[str, Callable[[], None]] = {}
        for role in (f"engine-{n}" for n in range(self.engines)):
            spawns[role] = partial(self.spawn, role, "manage.py", "engine")
        for actor in range(ACTORS):
            arguments = {"actor": actor, "seed": self.seed, "journal": str(self.journal(actor))}
            role = f"actor-{actor}"
            spawns[role] = partial(self.spawn, role, *worker("act", **arguments))
        return spawns

    def journal(self, actor: int) -> Path:
        """Return the file of an actor's journal."""
        return self.folder / f"actor-{actor}.jsonl"

    def restarter(self, roles: list[str]) -> Restarter:
        """Return a restarter of these roles."""
        spawn = {role: start for role, start in self.killable().items() if role in roles}
        return Restarter(
            self.folder, spawn=spawn, is_alive=lambda role: self.running[role].poll() is None
        )

    def run_task(
        self, task: str, *, meanwhile: Callable[[], object] = lambda: None, **arguments: Any
    ) -> dict[str, Any]:
        """Run a task of the worker; return its result. Raises StackError with its log."""
        answer, log = self.folder / f"{task}.json", self.folder / f"{task}.log"
        with answer.open("wb") as out, log.open("wb") as err:
            command = [sys.executable, *worker(task, **arguments)]
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.stack.env, stdout=out, stderr=err
            )
        while process.poll() is None:
            meanwhile()
            time.sleep(TICK_SECONDS)
        if process.returncode:
            raise StackError(f"{task} failed:\n{log.read_text()[-3000:]}")
        result: dict[str, Any] = json.loads(answer.read_bytes())
        return result

    def spawn(self, role: str, *arguments: str) -> None:
        """Start a process in a new session, with its role in the environment."""
        with (self.folder / f"{role}.log").open("ab") as log:
            env = self.stack.env | {ROLE: role}
            command = [sys.executable, *arguments]
            self.running[role] = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, role: str) -> None:
        """Kill the first process of a role, which is not restarted."""
        self.running[role].kill()
        self.running[role].wait()

    def kill_all(self) -> None:
        """Kill every process of this run."""
        while targets := processes(self.folder):
            send(signal.SIGKILL, targets)
            for process in self.running.values():
                process.poll()  # reaps the process if it has ended
            time.sleep(TICK_SECONDS)


def worker(task: str, **arguments: Any) -> list[str]:
    """Return the arguments of Python that run a task of lab.chaos.worker."""
    return ["-m", "lab.chaos.worker", json.dumps({"task": task, **arguments})]
