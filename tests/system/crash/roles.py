"""What each process of a scenario does: prepare, be interrupted, work concurrently, recover.

Most methods of `Roles` return a function that a child runs; its argument ``send`` writes a report
to the test.
"""

import re
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property

from django.apps import apps

from tests.system.crash.checks import end_state, tallies
from tests.system.crash.points import Points, make_calls_in_line
from tests.system.crash.scene import Scenario
from tests.system.crash.world import Remote, World

Mutant = Callable[[], None]
Send = Callable[[dict], None]
WRITTEN_AT = re.compile(r'"at": "[^"]*"')  # the time in a line of the ledger, new in each run


class Roles:
    """The work of the children of a scenario.

    ``at_every_point``: the recovering child also reports all rows that the dead process left.
    """

    def __init__(
        self, scenario: Scenario, remote: Remote, mutant: Mutant | None, *, at_every_point: bool
    ) -> None:
        self.scenario, self.remote, self.mutant = scenario, remote, mutant
        self.at_every_point = at_every_point

    @cached_property
    def world(self) -> World:
        """Return the world of this process, a child, and apply the mutant if there is one."""
        if not self.scenario.in_threads:
            make_calls_in_line()
        if self.mutant:
            self.mutant()
        return World(self.remote)

    def prepare(self, _send: Send) -> None:
        """Create the rows of the template."""
        world = World(self.remote)
        world.create_rows()
        self.scenario.prepare(world)

    def with_world(self, work: Callable) -> Callable:
        """Return a function that calls ``work(world)``."""

        def run(_send):
            work(self.world)

        return run

    def interrupted_work(self, at: int | None, strike: int) -> Callable:
        """Do the interrupted work; at point ``at``, send the signal ``strike`` to this process.

        Report all points, unless the signal kills the process.
        """

        def run(send):
            world = self.world
            points = Points(at, strike, send, self.remote.ledger)
            try:
                with points.watched():
                    self.scenario.interrupted(world)
            finally:
                send({"points": [asdict(point) for point in points.numbered]})

        return run

    def concurrent_work(self) -> Callable:
        """Work while another process is frozen."""
        return self.with_world(self.scenario.run_concurrent)

    def recovery_work(self, is_repeated: bool) -> Callable:
        """Report the state that was left behind, work until nothing is left, report the end.

        ``is_repeated``: first do the scenario's ``retry``, because the interrupted work has not
        ended.
        """

        def run(send):
            self._recover(self.world, send, is_repeated=is_repeated)

        return run

    def _recover(self, world: World, send: Send, *, is_repeated: bool) -> None:
        connection = world.connection
        before = {
            "counts": tallies(),
            "token": connection.token if connection.is_connected else "",
        }
        left = _state_left(self.remote) if self.at_every_point else {}
        send({"before": before | {"left": left}})
        try:
            if is_repeated:
                self.scenario.run_retry(world)
            if self.scenario.finish:
                self.scenario.finish(world)
            world.drain()
        finally:
            send({"after": end_state(world, self.scenario)})


def _state_left(remote: Remote) -> dict:
    """Return the state that a dead process left: number of rows by table, counts, the ledger file.

    Tables with a row per hour or day are left out: a new hour may begin between two runs.
    """
    models = [model for model in apps.get_models() if not model.__name__.endswith(("Hour", "Day"))]
    rows = {model._meta.label: model._base_manager.count() for model in models}
    return {
        "rows": rows,
        "counts": tallies(),
        "file": WRITTEN_AT.sub("", remote.ledger.read_text()) if remote.ledger.exists() else "",
    }
