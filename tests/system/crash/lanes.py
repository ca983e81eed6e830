"""Run the points of a scenario in lanes, each a process of its own."""

import os
import signal
from contextlib import suppress
from dataclasses import asdict

from tests.system.crash.databases import Databases
from tests.system.crash.harness import Judge, Stage
from tests.system.crash.processes import Child
from tests.system.crash.result import Result
from tests.system.crash.roles import Mutant
from tests.system.crash.scene import Scenario
from tiktok_sandbox.server import serve

LANES = 1  # enough as long as no scenario waits
MOST_SECONDS = 600
MOST_SECONDS_WHOLE = 3600  # with every point, beside other work


class Lanes:
    """Run lanes; each has its own sandbox, its own template and every n-th point."""

    def __init__(
        self,
        scenario: Scenario,
        databases: Databases,
        mutant: Mutant | None = None,
        *,
        is_whole: bool = False,
    ) -> None:
        self.scenario, self.databases, self.mutant = scenario, databases, mutant
        self.is_whole = is_whole
        self.most_seconds = MOST_SECONDS_WHOLE if is_whole else MOST_SECONDS

    def kill(self) -> Result:
        """Kill the scenario at every point."""
        return self._run(lambda stage, lane: stage.every("kill", lane, LANES))

    def pause(self) -> Result:
        """Freeze the scenario at every point."""
        return self._run(lambda stage, lane: stage.every("pause", lane, LANES))

    def first_violation(self, mode: str, *, counts: Judge) -> Result:
        """Strike at point after point until a violation in one of the lanes counts."""
        return self._run(
            lambda stage, lane: stage.first_violation(mode, lane, LANES, counts=counts),
            until=counts,
        )

    def _run(self, work, *, until: Judge | None = None) -> Result:
        children = [
            Child(self._lane(work, lane), most_seconds=self.most_seconds) for lane in range(LANES)
        ]
        found = Result()
        try:
            for child in children:
                if until and any(map(until, found.violations)):
                    break
                found.add(_result(child, self.most_seconds))
        finally:
            for child in children:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)  # with all its children
                child.end()
        return found

    def _lane(self, work, lane: int):
        def live(_tell):
            os.setpgid(0, 0)
            self.databases.unblock()
            self.databases.apart()
            with serve(db=":memory:") as server:
                stage = Stage(
                    self.scenario, self.databases, server, self.mutant, is_whole=self.is_whole
                )
                try:
                    return asdict(work(stage, lane))
                finally:
                    stage.close()

        return live


def _result(child: Child, most_seconds: int) -> Result:
    """Return the result of a lane; an error of the lane itself is a violation, too."""
    state, errors = child.wait(most_seconds), child.said("error")
    found = (
        Result(**child.said("result")[0])
        if child.said("result")
        else Result(violations=[f"the lane {state}"])
    )
    found.violations += errors
    return found
