"""Define a scenario: how it begins, which work is killed or frozen, and how it may end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.system.crash.world import World

Work = Callable[[World], object]
Look = Callable[[World], Iterable[str]]


@dataclass(frozen=True)
class End:
    """One right end.

    ``counts``: Sync label -> counts other than zero; ``members``: audience -> numbers of people.
    """

    counts: dict[str, dict[str, int]]
    members: dict[str, set[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """A scenario.

    ``again`` runs after a death (a repeated task, a second press of a button), ``meanwhile`` is the
    work of others while the process is frozen.
    """

    name: str
    prepare: Work
    act: Work
    ends: tuple[End, ...]
    again: Work | None = None
    meanwhile: Work | None = None
    closing: Work | None = None  # runs in any case before the end is checked
    faults: tuple[tuple[str, dict], ...] = ()
    people_per_request: int = 10_000
    # HTTP in threads as in production: the order of the points varies then
    in_threads: bool = False
    excused: tuple[str, ...] = ()  # names of errors that are a right answer
    # name -> number of audiences of this name that must exist at the partner
    audiences: dict[str, int] = field(default_factory=dict)
    # states of deliveries that may have arrived at the partner or not: we cannot know
    may_be_there: tuple[str, ...] = ()
    most_calls: int | None = None  # successful calls to the partner
    ends_connected: bool | None = None
    ends_void: tuple[int, ...] = ()  # tokens that must be void at the partner
    ends_alive: int | None = None  # number of valid tokens at the partner
    # beginnings of point labels: a death there leaves one more valid token, unknown to us
    unheard: tuple[str, ...] = ()
    look: Look | None = None  # yields one sentence per violation in the rows of the end
    # False: others only finish their own work, and leave the lease of the frozen worker alone
    others_drain: bool = True

    def repeat(self, world: World) -> None:
        """Run the work that follows a death."""
        (self.again or self.act)(world)

    def others(self, world: World) -> None:
        """Run the work of another worker while this one is frozen."""
        (self.meanwhile or self.repeat)(world)
        if self.others_drain:
            world.drain()
