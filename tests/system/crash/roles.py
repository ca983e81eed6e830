"""What the processes of a scenario do: prepare it, act until they are struck, get in between, recover."""

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
    """The work of the children of a scenario. With ``is_whole``, whoever recovers tells all that was left behind."""

    def __init__(
        self, scenario: Scenario, remote: Remote, mutant: Mutant | None, *, is_whole: bool
    ) -> None:
        self.scenario, self.remote, self.mutant, self.is_whole = scenario, remote, mutant, is_whole

    def world(self) -> World:
        """In a child: the world, with the seeded bug if there is one."""
        if not self.scenario.in_threads:
            make_calls_in_line()
        if self.mutant:
            self.mutant()
        return World(self.remote)

    def prepare(self, _tell: Tell) -> None:
        """Make the rows of the template."""
        world = World(self.remote)
        world.found()
        self.scenario.prepare(world)

    def with_world(self, work: Callable) -> Callable:
        """Do ``work`` in the world."""

        def live(_tell):
            work(self.world())

        return live

    def acting(self, at: int | None, strike: int) -> Callable:
        """Act, and be struck by the signal at one of the points; tell all points if it comes to the end."""

        def live(tell):
            world = self.world()
            points = Points(at, strike, tell, self.remote.ledger)
            points.install()
            try:
                self.scenario.act(world)
            finally:
                tell({"points": [asdict(point) for point in points.found]})

        return live

    def recovering(self, is_repeated: bool) -> Callable:
        """Tell what was left behind, go on until nothing is left to do, tell how it ended."""

        def live(tell):
            world = self.world()
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

        return live


def _left(remote: Remote) -> dict:
    """What whoever died has left behind here: rows by table, counts, the file."""
    rows = {model._meta.label: model._base_manager.count() for model in apps.get_models()}
    return {
        "rows": rows,
        "counts": tallies(),
        "file": remote.ledger.read_text() if remote.ledger.exists() else "",
    }
