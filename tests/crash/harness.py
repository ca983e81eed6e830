"""Runs a scenario once per point: killed there, or stopped there until its lease is over; then recovers and judges."""

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from partners.tiktok_sandbox.limits import DEFAULT
from partners.tiktok_sandbox.seed import EU, MARA
from partners.tiktok_sandbox.server import Server
from tests.crash.checks import judge, report, tallies
from tests.crash.databases import Databases
from tests.crash.points import Points, make_calls_in_line
from tests.crash.processes import MOST_SECONDS, Child
from tests.crash.scene import Scenario
from tests.crash.snapshot import Snapshot
from tests.crash.world import AUDIENCES, LEASE, Remote, World

BUSY = ("COMMIT", " POST ")
PATIENCE = 0.12  # with a process that waits for a lock of the stopped one
ERROR = "it says: "  # and then what a process logged as an error, or died of
Mutant = Callable[[], None]
Judge = Callable[[str], bool]


@dataclass
class Result:
    """How many points there were, and what was wrong at which."""

    points: int = 0
    missed: int = 0  # numbered in a run that nobody disturbed, but not reached in the run that was meant to end there
    labels: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        """What another lane found."""
        self.points, self.missed = self.points + other.points, self.missed + other.missed
        self.labels, self.violations = self.labels + other.labels, self.violations + other.violations


class Stage:
    """One scenario, ready to be run again and again from the same beginning."""

    def __init__(self, scenario: Scenario, databases: Databases, server: Server, mutant: Mutant | None = None) -> None:
        self.scenario, self.databases, self.server, self.mutant = scenario, databases, server, mutant
        self.sandbox = server.sandbox
        self.sandbox.reset()
        self.sandbox.options = replace(
            self.sandbox.options,
            limits=replace(DEFAULT, app_rate=None, segment_rate=None, people_per_request=scenario.people_per_request),
        )
        tokens = self.sandbox.accounts.issue_token(MARA), self.sandbox.accounts.issue_token(MARA)
        audiences = {n: self.sandbox.audiences.create(EU, n) for n in AUDIENCES}
        self.template = databases.create(databases.base)
        self.remote = Remote(server.url, tokens, audiences, ledger=databases.folder / f"{tokens[0]}.jsonl")
        child = databases.child(self.template, self._prepare)
        assert (child.wait(), child.said("error")) == ("ended", [])
        child.end()
        self.snapshot = Snapshot(self.sandbox)

    def close(self) -> None:
        """Drop the template."""
        self.databases.drop(self.template)
        self.snapshot.close()

    def every(self, mode: str, first: int = 0, step: int = 1) -> Result:
        """Killed or stopped at every point, or at every ``step``-th."""
        result, at, numbered = Result(), first, len(self._labels())
        while not (is_over := self._one(at, mode, result)) or at < numbered:
            result.points, result.missed, at = result.points + (not is_over), result.missed + is_over, at + step
        return result

    def first_violation(self, mode: str, first: int = 0, step: int = 1, *, counts: Judge = bool) -> Result:
        """Point after point until something is wrong that counts; calls and commits first: most bugs sit there."""
        result, labels = Result(), self._labels()
        quiet = {at: not any(word in labels[at] for word in BUSY) for at in range(len(labels))}
        for at in [*sorted(quiet, key=lambda at: quiet[at]), len(labels)][first::step]:
            self._one(at, mode, result)
            if any(map(counts, result.violations)):
                break
        return result

    def _labels(self) -> list[str]:
        """What the points are called in a run that nobody disturbs."""
        self.snapshot.restore(self.scenario.faults)
        name = self.databases.copy(self.template)
        child = self.databases.child(name, self._acting(None, 0))
        child.wait()
        child.end()
        self.databases.give_back(name)
        return [label for labels in child.said("labels") for label in labels]

    def _one(self, at: int, mode: str, result: Result) -> bool:
        """Run with one point; whether it came to the end without reaching it."""
        run = self._killed if mode == "kill" else self._paused
        self.snapshot.restore(self.scenario.faults)
        self.remote.ledger.unlink(missing_ok=True)
        name = self.databases.copy(self.template)
        children: list[Child] = []
        try:
            wrong = list(run(name, at, children))
        finally:
            for child in children:
                child.end()
            self.databases.give_back(name)
        point = children[0].point
        where = f"{at} {point['label']}" if point else "to the end"
        result.violations += [f"{self.scenario.name}, {run.__name__[1:]} at {where}: {text}" for text in wrong]
        result.labels += [point["label"]] if point else []
        return point is None

    def _killed(self, name: str, at: int, children: list[Child]) -> Iterator[str]:
        doomed = self._start(children, name, self._acting(at, signal.SIGKILL))
        if doomed.wait() == "running":
            yield "hangs"
        yield from self._errors(doomed)
        yield from self._end(children, name, is_repeated=True, died_at=(doomed.point or {}).get("label", ""))

    def _paused(self, name: str, at: int, children: list[Child]) -> Iterator[str]:
        frozen = self._start(children, name, self._acting(at, signal.SIGSTOP))
        if frozen.wait() == "stopped":
            time.sleep(LEASE + 0.01)
            holds = frozen.point["holds"]
            other = self._start(children, name, self._with_world(self.scenario.others))
            if other.wait(PATIENCE if holds else MOST_SECONDS - 5) == "running" and not holds:
                yield "another worker waits for a process that holds nothing"
            frozen.go_on()
            if "running" in (frozen.wait(), other.wait()):
                yield "two workers wait for each other"
            yield from self._errors(other)
        yield from self._errors(frozen)
        yield from self._end(children, name, is_repeated=frozen.point is None)

    def _end(self, children: list[Child], name: str, *, is_repeated: bool, died_at: str = "") -> Iterator[str]:
        """Recover, then compare."""
        token_before = {token: self.sandbox.accounts.token(token) is not None for token in self.remote.tokens}
        last = self._start(children, name, self._recovering(is_repeated))
        last.wait()
        yield from self._errors(last)
        if not last.said("after"):
            yield "the recovery did not end"
            return
        [before], [after] = last.said("before"), last.said("after")
        if before["token"] and not token_before.get(before["token"], True):
            yield "still connected, but the token is void at the partner"
        yield from judge(self.scenario, self.remote, self.sandbox, before, after, died_at=died_at)

    def _start(self, children: list[Child], name: str, work: Callable) -> Child:
        child = self.databases.child(name, work)
        children.append(child)
        return child

    def _errors(self, child: Child) -> list[str]:
        return [ERROR + said for said in child.said("error") if not any(word in said for word in self.scenario.excused)]

    def _world(self) -> World:
        if not self.scenario.in_threads:
            make_calls_in_line()
        if self.mutant:
            self.mutant()
        return World(self.remote)

    def _prepare(self, _tell: Callable) -> None:
        world = World(self.remote)
        world.found()
        self.scenario.prepare(world)

    def _with_world(self, work: Callable) -> Callable:
        def live(_tell):
            work(self._world())

        return live

    def _acting(self, at: int | None, strike: int) -> Callable:
        def live(tell):
            world = self._world()
            points = Points(at, strike, tell)
            points.install()
            try:
                self.scenario.act(world)
            finally:
                tell({"labels": points.labels})

        return live

    def _recovering(self, is_repeated: bool) -> Callable:
        def live(tell):
            world = self._world()
            connection = world.connection
            tell({"before": {"counts": tallies(), "token": connection.token if connection.is_connected else ""}})
            try:
                if is_repeated:
                    self.scenario.repeat(world)
                if self.scenario.closing:
                    self.scenario.closing(world)
                world.drain()
            finally:
                tell({"after": report(world, self.scenario)})

        return live
