"""Divide the points of a scenario among shards: processes with their own sandbox and template."""

import os
import signal
from contextlib import suppress
from dataclasses import asdict

from tests.system.crash.databases import Databases
from tests.system.crash.harness import Stage, ViolationTest
from tests.system.crash.processes import Child
from tests.system.crash.result import Result
from tests.system.crash.roles import Mutant
from tests.system.crash.scene import Scenario
from tiktok_sandbox.server import serve

N_SHARDS = 1  # more would help only if scenarios waited; they compute all the time
MAX_SECONDS = 600
MAX_SECONDS_EVERY_POINT = 3600  # the machine may have other work


class Shards:
    """Run a scenario in N_SHARDS shards; each strikes at every N_SHARDS-th class of points."""

    def __init__(
        self,
        scenario: Scenario,
        databases: Databases,
        mutant: Mutant | None = None,
        *,
        at_every_point: bool = False,
    ) -> None:
        self.scenario, self.databases, self.mutant = scenario, databases, mutant
        self.at_every_point = at_every_point
        self.max_seconds = MAX_SECONDS_EVERY_POINT if at_every_point else MAX_SECONDS

    def kill(self) -> Result:
        """Kill the scenario at every point."""
        return self._run(lambda stage, shard: stage.strike_all("kill", shard, N_SHARDS))

    def freeze(self) -> Result:
        """Freeze the scenario at every point."""
        return self._run(lambda stage, shard: stage.strike_all("freeze", shard, N_SHARDS))

    def first_violation(self, mode: str, *, is_relevant: ViolationTest) -> Result:
        """Strike at one point after the other until ``is_relevant`` accepts a violation."""
        return self._run(
            lambda stage, shard: stage.first_violation(
                mode, shard, N_SHARDS, is_relevant=is_relevant
            ),
            until=is_relevant,
        )

    def _run(self, work, *, until: ViolationTest | None = None) -> Result:
        children = [
            Child(self._shard_work(work, shard), max_seconds=self.max_seconds)
            for shard in range(N_SHARDS)
        ]
        total = Result()
        try:
            for child in children:
                if until and any(map(until, total.violations)):
                    break
                total.add(_result(child, self.max_seconds))
        finally:
            for child in children:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)  # with all its children
                child.end()
        return total

    def _shard_work(self, work, shard: int):
        def run(_send):
            os.setpgid(0, 0)
            self.databases.unblock()
            self.databases.apart()
            with serve(db=":memory:") as server:
                stage = Stage(
                    self.scenario,
                    self.databases,
                    server,
                    self.mutant,
                    at_every_point=self.at_every_point,
                )
                try:
                    return asdict(work(stage, shard))
                finally:
                    stage.close()

        return run


def _result(child: Child, max_seconds: int) -> Result:
    """Return the result of a shard; an error of the shard itself is a violation, too."""
    state, errors = child.wait(max_seconds), child.reports("error")
    result = (
        Result(**child.reports("result")[0])
        if child.reports("result")
        else Result(violations=[f"the shard {state}"])
    )
    result.violations += errors
    return result
