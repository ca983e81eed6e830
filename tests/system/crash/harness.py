"""Kill or freeze a scenario once per class of points, then recover and judge it."""

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

from tests.support.clock import CLOCK
from tests.system.crash.checks import judge
from tests.system.crash.databases import Databases, Sqlite
from tests.system.crash.points import Point, frozen_alike, frozen_once, killed_alike
from tests.system.crash.processes import MOST_SECONDS, Child
from tests.system.crash.result import Result
from tests.system.crash.roles import Mutant, Roles
from tests.system.crash.scene import Scenario
from tests.system.crash.snapshot import Snapshot
from tests.system.crash.world import AUDIENCES, LEASE, Remote
from tiktok_sandbox.limits import DEFAULT
from tiktok_sandbox.seed import EU, MARA
from tiktok_sandbox.server import Server

BUSY = ("COMMIT", " POST ")
PATIENCE = 0.12  # seconds for a process that waits for a lock of the frozen one
ERROR = "it says: "  # stands before an error that a process logged or died of
Judge = Callable[[str], bool]


class Stage:
    """Run one scenario again and again from the same start."""

    def __init__(
        self,
        scenario: Scenario,
        databases: Databases,
        server: Server,
        mutant: Mutant | None = None,
        *,
        is_whole: bool = False,
    ) -> None:
        self.scenario, self.databases, self.server = scenario, databases, server
        # Strike at every point, and compare the states that the points of an epoch leave behind.
        self.is_whole = is_whole
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
        self.roles = Roles(scenario, self.remote, mutant, is_whole=is_whole)
        child = databases.child(self.template, self.roles.prepare)
        assert (child.wait(), child.said("error")) == ("ended", [])
        child.end()
        self.snapshot = Snapshot(self.sandbox)

    def close(self) -> None:
        """Drop the template."""
        self.databases.drop(self.template)
        self.snapshot.close()

    def every(self, mode: str, first: int = 0, step: int = 1) -> Result:
        """Strike once in every ``step``-th class of points, and run once without a strike.

        On a busy machine the run that numbers the points waits longer than the others, which then
        end before its last points. In this case, number the points of one more run.
        """
        result = self._every(mode, first, step)
        if result.has_missed_many:
            again = self._every(mode, first, step)
            again.violations = result.violations + again.violations
            return again
        return result

    def _every(self, mode: str, first: int, step: int) -> Result:
        result, points = Result(), self.points()
        for members in [*self._classes(points, mode), [len(points)]][first::step]:
            is_over = self._one(members[-1], mode, result, points)
            is_numbered = members[-1] < len(points)
            result.struck += not is_over
            result.points += len(members) * (not is_over and is_numbered)
            result.missed += len(members) * (is_over and is_numbered)
        return result

    def _classes(
        self, points: list[Point], mode: str, *, is_finest: bool = False
    ) -> list[list[int]]:
        if self.is_whole or self.scenario.in_threads:
            return [[at] for at in range(len(points))]
        if mode == "kill":
            return killed_alike(points)
        one_writer = isinstance(self.databases, Sqlite)
        if one_writer and not is_finest:
            return frozen_once(points)
        return frozen_alike(points, one_writer=one_writer)

    def first_violation(
        self, mode: str, first: int = 0, step: int = 1, *, counts: Judge = bool
    ) -> Result:
        """Strike at point after point until a violation counts.

        Calls and commits come first, because most bugs are there.
        """
        result, points = Result(), self.points()
        last = [members[-1] for members in self._classes(points, mode, is_finest=True)]
        quiet = {at: not any(word in points[at].label for word in BUSY) for at in last}
        for at in [*sorted(quiet, key=lambda at: quiet[at]), len(points)][first::step]:
            self._one(at, mode, result, points)
            if any(map(counts, result.violations)):
                break
        return result

    def points(self) -> list[Point]:
        """Return the points of a run without a strike."""
        self._reset()
        name = self.databases.copy(self.template)
        child = self.databases.child(name, self.roles.acting(None, 0))
        child.wait()
        child.end()
        self.databases.give_back(name)
        return [Point(**point) for points in child.said("points") for point in points]

    def _reset(self) -> None:
        """Restore the sandbox, the ledger file and the clock; callers copy the database."""
        self.snapshot.restore(self.scenario.faults)
        self.remote.ledger.unlink(missing_ok=True)
        CLOCK.reset()

    def _one(self, at: int, mode: str, result: Result, points: list[Point]) -> bool:
        """Strike at one point; return whether the run ended without reaching it."""
        run = self._killed if mode == "kill" else self._paused
        self._reset()
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
        result.violations += [
            f"{self.scenario.name}, {run.__name__[1:]} at {where}: {text}" for text in wrong
        ]
        if (
            self.is_whole
            and mode == "kill"
            and point
            and at < len(points)
            and point["label"] == points[at].label
        ):
            said = [
                before["left"] | {"calls": self.calls} for before in children[-1].said("before")
            ]
            left = [json.dumps(one, sort_keys=True) for one in said]
            result.add(Result(left={str(points[at].epoch): left}))
        return point is None

    def _killed(self, name: str, at: int, children: list[Child]) -> Iterator[str]:
        doomed = self._start(children, name, self.roles.acting(at, signal.SIGKILL))
        if doomed.wait() == "running":
            yield "hangs"
        yield from self._errors(doomed)
        yield from self._end(
            children, name, is_repeated=True, died_at=(doomed.point or {}).get("label", "")
        )

    def _paused(self, name: str, at: int, children: list[Child]) -> Iterator[str]:
        frozen = self._start(children, name, self.roles.acting(at, signal.SIGSTOP))
        other = None
        if frozen.wait() == "stopped":
            CLOCK.wait(LEASE + 0.01)
            holds = frozen.point["holds"]
            other = self._start(children, name, self.roles.beside())
            if other.wait(PATIENCE if holds else MOST_SECONDS - 5) == "running" and not holds:
                yield "another worker waits for a process that holds nothing"
            frozen.go_on()
            if "running" in (frozen.wait(), other.wait()):
                yield "two workers wait for each other"
            if other.state != "stopped":  # it died of an error, and somebody else recovers
                yield from self._errors(other)
                other = None
        yield from self._errors(frozen)
        yield from self._end(children, name, is_repeated=frozen.point is None, by=other)

    def _end(
        self,
        children: list[Child],
        name: str,
        *,
        is_repeated: bool,
        by: Child | None = None,
        died_at: str = "",
    ) -> Iterator[str]:
        """Recover in a new process, or in the one that worked meanwhile; yield the violations."""
        token_before = {
            token: self.sandbox.accounts.token(token) is not None for token in self.remote.tokens
        }
        self.calls = len(self.sandbox.log.lines)
        last = by or self._start(children, name, self.roles.recovering(is_repeated))
        if by:
            by.go_on()
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
        return [
            ERROR + said
            for said in child.said("error")
            if not any(word in said for word in self.scenario.excused)
        ]
