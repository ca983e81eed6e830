"""Run a scenario again and again; kill or freeze it in each run, then recover and check the end.

Points (see points.py) are grouped into classes of points that are alike; one point of each class is
*struck*: the process gets SIGKILL or SIGSTOP there.
"""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.support.clock import CLOCK
from tests.system.crash.checks import find_violations
from tests.system.crash.databases import Databases, Sqlite
from tests.system.crash.points import (
    Point,
    coarse_freeze_classes,
    freeze_classes,
    kill_classes,
    path_of,
)
from tests.system.crash.processes import MAX_SECONDS, Child, Worker
from tests.system.crash.result import Result
from tests.system.crash.roles import Mutant, Roles
from tests.system.crash.scene import Scenario
from tests.system.crash.snapshot import Snapshot
from tests.system.crash.world import AUDIENCES, LEASE, Remote
from tiktok_sandbox.limits import DEFAULT
from tiktok_sandbox.seed import EU, MARA
from tiktok_sandbox.server import Server

BUG_PRONE = ("COMMIT", " POST ")  # parts of point labels
LOCK_WAIT_SECONDS = 0.12  # how long to watch a process that may wait for the frozen one's lock
ERROR_MARK = "it says: "  # stands before an error that a process logged or died of
WORKERS = ("interrupted", "other")
ViolationTest = Callable[[str], bool]


class Stage:
    """Run one scenario again and again from the same start."""

    def __init__(
        self,
        scenario: Scenario,
        databases: Databases,
        server: Server,
        mutant: Mutant | None = None,
        *,
        at_every_point: bool = False,
    ) -> None:
        self.scenario, self.databases, self.server = scenario, databases, server
        # True: strike at every point, and compare the states that the points of an epoch leave.
        self.at_every_point = at_every_point
        CLOCK.fresh()
        self.sandbox = server.sandbox
        self.sandbox.reset()
        self.sandbox.options = replace(
            self.sandbox.options,
            limits=replace(
                DEFAULT,
                app_rate=None,
                audience_rate=None,
                people_per_request=scenario.people_per_request,
            ),
        )
        tokens = self.sandbox.accounts.issue_token(MARA), self.sandbox.accounts.issue_token(MARA)
        audiences = {n: self.sandbox.audiences.create(EU, n) for n in AUDIENCES}
        self.template = databases.create(databases.base)
        self.remote = Remote(
            server.url, tokens, audiences, ledger=databases.folder / f"{tokens[0]}.jsonl"
        )
        self.roles = Roles(scenario, self.remote, mutant, at_every_point=at_every_point)
        child = databases.child(self.template, self.roles.prepare)
        assert (child.wait(), child.reports("error")) == ("ended", [])
        child.end()
        self.snapshot = Snapshot(self.sandbox)
        self.workers: dict[str, Worker] = {}  # by role; they outlive the runs
        self.struck: Child | None = None  # in the present run
        self.state_left: dict | None = None  # what the killed process of the present run left

    def close(self) -> None:
        """End the workers and drop the template."""
        for worker in self.workers.values():
            worker.end()
        self.databases.drop(self.template)
        self.snapshot.close()

    def strike_all(self, mode: str, first: int = 0, step: int = 1) -> Result:
        """Strike in every ``step``-th class of points from ``first`` on, and run once undisturbed.

        Threads run in another order each time, so the runs that are struck may be shorter than the
        run that numbered the points. If many points are missed, number them once more and repeat.
        """
        result = self._strike_all(mode, first, step)
        if result.has_missed_many:
            second = self._strike_all(mode, first, step)
            second.violations = result.violations + second.violations
            return second
        return result

    def _strike_all(self, mode: str, first: int, step: int) -> Result:
        result, points = Result(), self.points(mode)
        undisturbed = len(points)  # a point after the last one: the run ends without a signal
        for members in [*self._classes(points, mode), [undisturbed]][first::step]:
            at = members[-1]
            has_ended = self._strike(at, mode, result, points)
            result.n_struck += not has_ended
            if at < undisturbed:
                result.n_points += len(members) * (not has_ended)
                result.n_missed += len(members) * has_ended
        return result

    def _classes(
        self, points: list[Point], mode: str, *, is_finest: bool = False
    ) -> list[list[int]]:
        """Return the numbers of the points by class. A strike at the last one stands for all."""
        # With threads, a number is another point in each run, so that there are no classes.
        if self.at_every_point or self.scenario.in_threads:
            return [[at] for at in range(len(points))]
        if mode == "kill":
            return kill_classes(points)
        one_writer = isinstance(self.databases, Sqlite)
        if one_writer and not is_finest:
            return coarse_freeze_classes(points)
        return freeze_classes(points, one_writer=one_writer)

    def first_violation(
        self, mode: str, first: int = 0, step: int = 1, *, is_relevant: ViolationTest = bool
    ) -> Result:
        """Strike at one point after the other until ``is_relevant`` accepts a violation.

        Points at calls and commits come first, because most bugs are there.
        """
        result, points = Result(), self.points(mode)
        numbers = [members[-1] for members in self._classes(points, mode, is_finest=True)]

        def is_quiet(at: int) -> bool:
            return not any(word in points[at].label for word in BUG_PRONE)

        for at in [*sorted(numbers, key=is_quiet), len(points)][first::step]:
            self._strike(at, mode, result, points)
            if any(map(is_relevant, result.violations)):
                break
        return result

    def points(self, mode: str = "kill") -> list[Point]:
        """Return the points of a run without a strike."""
        name = self._begin()
        if mode == "kill":
            child = self.databases.child(name, self.roles.interrupted_work(None, 0))
            child.wait()
            child.end()
        else:
            child = self._order("interrupted", name, "interrupted_work", None, 0)
            child.wait()
        reports = child.reports("points")
        self._finish(name)
        return [Point(**point) for points in reports for point in points]

    def _begin(self) -> str:
        """Prepare a run; return the name of its database."""
        for worker in self.workers.values():
            worker.forget_reports()
        self.struck = self.state_left = None
        self._reset()
        return self.databases.copy(self.template, self.workers.values())

    def _finish(self, name: str) -> None:
        """Give the database back, and end the workers that are not idle."""
        for role, worker in list(self.workers.items()):
            if worker.state != "idle":
                self._end_worker(role)
        self.databases.give_back(name)

    def _reset(self) -> None:
        """Restore the sandbox, the ledger file and the clock."""
        self.snapshot.restore(self.scenario.faults)
        self.remote.ledger.unlink(missing_ok=True)
        CLOCK.reset()

    def _strike(self, at: int, mode: str, result: Result, points: list[Point]) -> bool:
        """Run, strike at point ``at``, and add the violations to the result.

        Return whether the run ended before it reached the point.
        """
        run = self._killed if mode == "kill" else self._frozen
        name = self._begin()
        try:
            violations = list(run(name, at))
            point = self.struck.point
        finally:
            if mode == "kill" and self.struck:
                self.struck.end()
            self._finish(name)
        where = f"{at} {point['label']}" if point else "to the end"
        result.violations += [
            f"{self.scenario.name}, {run.__name__[1:]} at {where}: {text}" for text in violations
        ]
        # On a busy machine a run may pass other points than the run that numbered them. Then the
        # number `at` is another point, whose epoch is not known.
        is_same_path = point and point["path"] == path_of(points[: at + 1])
        if self.at_every_point and mode == "kill" and is_same_path and self.state_left:
            left = json.dumps(self.state_left | {"calls": self.n_calls}, sort_keys=True)
            result.add(Result(n_compared=1, states={str(points[at].epoch): [left]}))
        return point is None

    def _killed(self, name: str, at: int) -> Iterator[str]:
        """Kill the interrupted work at point ``at``, then recover; yield the violations."""
        killed = self.databases.child(name, self.roles.interrupted_work(at, signal.SIGKILL))
        self.struck = killed
        if killed.wait() == "running" or (killed.state == "killed" and not killed.point):
            yield "hangs"
        yield from self._errors(killed)
        died_at = (killed.point or {}).get("label", "")
        yield from self._recover_and_check(name, is_repeated=True, died_at=died_at)

    def _frozen(self, name: str, at: int) -> Iterator[str]:
        """Freeze the interrupted work past its lease, let another worker work, and wake it.

        Then recover, and yield the violations.
        """
        frozen = self._order("interrupted", name, "interrupted_work", at, signal.SIGSTOP)
        self.struck = frozen
        if frozen.wait() == "stopped":
            # The test marks it: its own threads would run on briefly after the signal.
            CLOCK.mark(WORKERS.index("interrupted"), is_at_work=False)
            CLOCK.wait(LEASE + 0.01)
            # Ask the database instead of `Point.holds_lock`: another thread may hold the lock.
            holds_lock = self.databases.is_locked(name)
            other = self._order("other", name, "concurrent_work")
            seconds = LOCK_WAIT_SECONDS if holds_lock else MAX_SECONDS - 5
            if other.wait(seconds) == "running" and not holds_lock:
                yield "another worker waits for a process that holds nothing"
            CLOCK.mark(WORKERS.index("interrupted"), is_at_work=True)
            frozen.go_on()
            # A process that waits for the other one is still running, or its alarm killed it.
            if not {frozen.wait(), other.wait()} <= {"idle", "ended"}:
                yield "two workers wait for each other"
            if other.state != "idle":  # it died of an error, so a third process recovers
                yield from self._errors(other)
                self._end_worker("other")
        elif frozen.state not in ("idle", "ended"):
            yield "hangs"
        yield from self._errors(frozen)
        yield from self._recover_and_check(name, is_repeated=frozen.point is None)

    def _recover_and_check(
        self, name: str, *, is_repeated: bool, died_at: str = ""
    ) -> Iterator[str]:
        """Recover in a process other than the one that was struck; yield the violations."""
        is_valid = {
            token: self.sandbox.accounts.token(token) is not None for token in self.remote.tokens
        }
        self.n_calls = len(self.sandbox.log.lines)
        other = self._order("other", name, "recovery_work", is_repeated)
        other.wait()
        yield from self._errors(other)
        if not other.reports("after"):
            yield "the recovery did not end"
            return
        [before], [after] = other.reports("before"), other.reports("after")
        self.state_left = before["left"]
        if before["token"] and not is_valid.get(before["token"], True):
            yield "still connected, but the token is void at the partner"
        yield from find_violations(
            self.scenario, self.remote, self.sandbox, before, after, died_at=died_at
        )

    def _order(self, role: str, name: str, work: str, *arguments: object) -> Worker:
        """Give work to the worker of a role; start a new worker if there is none."""
        if role not in self.workers:
            self.workers[role] = self.databases.worker(WORKERS.index(role), self.roles)
        self.workers[role].order(database=name, work=work, arguments=arguments)
        return self.workers[role]

    def _end_worker(self, role: str) -> None:
        self.workers.pop(role).end()
        CLOCK.mark(WORKERS.index(role), is_at_work=False)

    def _errors(self, child: Child) -> list[str]:
        return [
            ERROR_MARK + error
            for error in child.reports("error")
            if not any(name in error for name in self.scenario.allowed_errors)
        ]
