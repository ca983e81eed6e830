"""A chaos run: several engines on one database, killed and stopped at random, while the partner fails and people work.

Random chaos finds what nobody thought of; what must be found is enumerated elsewhere (tests/system/crash).
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

from lab.bench import bench
from lab.chaos import report as chaos_report
from lab.chaos.nemesis import MARK, Nemesis, Nurse, processes, send
from lab.chaos.report import Report
from lab.chaos.weather import Weather
from lab.stack.stack import ROOT, Stack, StackError

ACTORS = 2
CALM_SECONDS = 90.0  # at most; a few are the rule
TURN = 0.1
LEASE = 2.0
# Time runs faster: leases, back-offs and the 13 hours are seconds here. How long an answer may take is scaled with them.
SCALED = {
    "BEAT_SECONDS": "1",
    "SYNC_LEASE": str(LEASE),
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
    """One run in its own folder, which is kept: logs, journals, and the rows if something was wrong."""

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
        """All of it. Raises StackError if it cannot even begin."""
        with ExitStack() as servers:
            more = dict(SCALED)
            if self.database == "postgresql":
                more["DATABASE_URL"] = servers.enter_context(bench.postgres())
            more["REDIS_URL"] = servers.enter_context(bench.redis()) if self.redis else ""
            self.stack = Stack(self.folder, more=more)
            try:
                self.begin()
                self.storm()
                self.end()
            finally:
                self.clear_up()
        self.report.violations += chaos_report.complaints(sorted(self.folder.glob("*.log")))
        return self.report

    def begin(self) -> None:
        """Tables, sandbox, the first rows, the engines."""
        self.say("Preparing ...")
        self.stack.manage("migrate", "--no-input")
        self.stack.manage("createcachetable")
        self.spawn("sandbox", "manage.py", "tiktok_sandbox", "--port", str(self.stack.sandbox_port))
        self.stack.await_answer("sandbox", self.stack.sandbox_url)
        self.ask("found")
        self.work("watch", "watch", file=str(self.folder / "watch.jsonl"))
        for spawn in self.mortals().values():
            spawn()

    def storm(self) -> None:
        """Until the time is over."""
        self.say(f"Storm of {self.seconds:.0f} s, seed {self.seed} ...")
        roles = list(self.mortals())
        nemesis = Nemesis(
            self.folder,
            engines=roles[: self.engines],
            people=roles[self.engines :],
            lease=LEASE,
            seed=self.seed,
        )
        nurse, weather = self.nurse(), Weather(self.stack.sandbox_url, seed=self.seed)
        weather.break_out()
        over = time.monotonic() + self.seconds
        while time.monotonic() < over:
            weather.change()
            nemesis.strike()
            nurse.look()
            time.sleep(TURN)
        nemesis.rest()
        weather.clear()
        self.report.strikes = dict(nemesis.done)
        (self.folder / "strikes.txt").write_text("\n".join(nemesis.log) + "\n")

    def end(self) -> None:
        """The people go home; what is left is done, and judged."""
        self.say("Calm ...")
        for actor in range(ACTORS):
            self.kill(f"people-{actor}")
        journals = [str(self.journal(actor)) for actor in range(ACTORS)]
        nurse = self.nurse(only_engines=True)
        self.report.calm = self.ask(
            "calm", meanwhile=nurse.look, journals=journals, seconds=CALM_SECONDS
        )
        if not self.report.calm.get("rests"):
            self.report.violations.append(f"After {CALM_SECONDS:.0f} s of calm it does not rest")
        found = self.ask("judge", journals=journals)
        self.report.people, self.report.deeds = found["people"], found["deeds"]
        self.report.requests = found["requests"]
        self.report.checks, during = chaos_report.watched(self.folder / "watch.jsonl")
        self.report.violations += [*during, *found["broken"]]

    def mortals(self) -> dict[str, Callable[[], None]]:
        """Who may die, and how they are started: the engines first."""
        found: dict[str, Callable[[], None]] = {}
        for role in (f"engine-{n}" for n in range(self.engines)):
            found[role] = partial(self.spawn, role, "manage.py", "engine")
        for actor in range(ACTORS):
            found[f"people-{actor}"] = partial(self.person, actor)
        return found

    def person(self, actor: int) -> None:
        """Somebody at work."""
        self.work(
            f"people-{actor}", "live", actor=actor, seed=self.seed, journal=str(self.journal(actor))
        )

    def journal(self, actor: int) -> Path:
        """What somebody did."""
        return self.folder / f"people-{actor}.jsonl"

    def nurse(self, *, only_engines: bool = False) -> Nurse:
        """Starts the dead anew."""
        spawn = {
            role: act
            for role, act in self.mortals().items()
            if role.startswith("engine") or not only_engines
        }
        return Nurse(
            self.folder, spawn=spawn, is_alive=lambda role: self.running[role].poll() is None
        )

    def work(self, role: str, task: str, **told: Any) -> None:
        """A task that goes on until it is killed."""
        self.spawn(role, *worker(task, told))

    def ask(
        self, task: str, *, meanwhile: Callable[[], object] = lambda: None, **told: Any
    ) -> dict[str, Any]:
        """A task to its end; its answer. Raises StackError with its last words."""
        answer, log = self.folder / f"{task}.json", self.folder / f"{task}.log"
        with answer.open("wb") as out, log.open("wb") as words:
            command = [sys.executable, *worker(task, told)]
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.stack.env, stdout=out, stderr=words
            )
        while process.poll() is None:
            meanwhile()
            time.sleep(TURN)
        if process.returncode:
            raise StackError(f"{task} failed:\n{log.read_text()[-3000:]}")
        found: dict[str, Any] = json.loads(answer.read_bytes())
        return found

    def spawn(self, role: str, *arguments: str) -> None:
        """One process in a session of its own, marked with its role."""
        with (self.folder / f"{role}.log").open("ab") as log:
            env = self.stack.env | {MARK: role}
            command = [sys.executable, *arguments]
            self.running[role] = subprocess.Popen(
                command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, role: str) -> None:
        """For good."""
        self.running[role].kill()
        self.running[role].wait()

    def clear_up(self) -> None:
        """Nothing of this run is left."""
        while pids := processes(self.folder):
            send(signal.SIGKILL, pids)
            for process in self.running.values():
                process.poll()
            time.sleep(TURN)


def worker(task: str, told: dict[str, Any]) -> list[str]:
    """The arguments of a part that runs in a process of its own."""
    return ["-m", "lab.chaos.worker", json.dumps({"task": task, **told})]
