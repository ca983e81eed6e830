"""What each process of a scenario does: prepare, act until a signal strikes, interfere, recover."""

import os
import signal
from collections.abc import Callable
from dataclasses import asdict

from django.apps import apps

from tests.system.crash.checks import report, tallies
from tests.system.crash.points import Points, make_calls_in_line
from tests.system.crash.scene import Scenario
from tests.system.crash.world import Remote, World

Mutant = Callable[[], None]
Tell = Callable[[dict], None]


class Roles:
    """The work of the children of a scenario.

    ``is_whole``: the recovering child also reports all rows that the dead process left.
    """

    def __init__(
        self, scenario: Scenario, remote: Remote, mutant: Mutant | None, *, is_whole: bool
    ) -> None:
        self.scenario, self.remote, self.mutant, self.is_whole = scenario, remote, mutant, is_whole

    def world(self) -> World:
        """Return the world, with the seeded bug if there is one; call it in a child."""
        if not self.scenario.in_threads:
            make_calls_in_line()
        if self.mutant:
            self.mutant()
        return World(self.remote)

    def prepare(self, _tell: Tell) -> None:
        """Create the rows of the template."""
        world = World(self.remote)
        world.create_rows()
        self.scenario.prepare(world)

    def with_world(self, work: Callable) -> Callable:

        def run(_tell):
            work(self.world())

        return run

    def acting(self, at: int | None, strike: int) -> Callable:
        """Act, with the signal sent at one of the points; report all points unless killed."""

        def run(tell):
            world = self.world()
            points = Points(at, strike, tell, self.remote.ledger)
            points.install()
            try:
                self.scenario.act(world)
            finally:
                tell({"points": [asdict(point) for point in points.found]})

        return run

    def beside(self) -> Callable:
        """Work while another process is frozen, stop until woken, then recover."""

        def run(tell):
            world = self.world()
            self.scenario.others(world)
            tell({"point": None, "label": "its work is done"})
            os.kill(os.getpid(), signal.SIGSTOP)
            self._recover(world, tell, is_repeated=False)

        return run

    def recovering(self, is_repeated: bool) -> Callable:
        """Report the state left behind, go on until no work is left, report the end."""

        def run(tell):
            self._recover(self.world(), tell, is_repeated=is_repeated)

        return run

    def _recover(self, world: World, tell: Tell, *, is_repeated: bool) -> None:
        connection = world.connection
        before = {
            "counts": tallies(),
            "token": connection.token if connection.is_connected else "",
        }
        tell({"before": before | {"left": _left(self.remote) if self.is_whole else {}}})
        try:
            if is_repeated:
                self.scenario.repeat(world)
            if self.scenario.closing:
                self.scenario.closing(world)
            world.drain()
        finally:
            tell({"after": report(world, self.scenario)})


def _left(remote: Remote) -> dict:
    """Return the state that a dead process left here: rows by table, counts, the file."""
    rows = {model._meta.label: model._base_manager.count() for model in apps.get_models()}
    return {
        "rows": rows,
        "counts": tallies(),
        "file": remote.ledger.read_text() if remote.ledger.exists() else "",
    }
