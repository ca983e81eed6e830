"""What a scenario is: how it begins, what is killed or stopped in the middle, and how it may end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.system.crash.world import World

Work = Callable[[World], object]
Look = Callable[[World], Iterable[str]]


@dataclass(frozen=True)
class End:
    """One right end: the counts that are not zero by the label of a Sync, and who is in the audiences at the sandbox."""

    counts: dict[str, dict[str, int]]
    members: dict[str, set[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """``again`` is what happens after a death (a task comes again, a user presses again); ``meanwhile`` what others do."""

    name: str
    prepare: Work
    act: Work
    ends: tuple[End, ...]
    again: Work | None = None
    meanwhile: Work | None = None
    closing: Work | None = None  # what happens in any case before the end is looked at
    faults: tuple[tuple[str, dict], ...] = ()
    people_per_request: int = 10_000
    in_threads: bool = (
        False  # HTTP in threads as in production: the order of the points varies then
    )
    excused: tuple[str, ...] = ()  # names of errors that are the right answer to somebody
    audiences: dict[str, int] = field(
        default_factory=dict
    )  # name -> how many of it there must be at the partner
    may_be_there: tuple[
        str, ...
    ] = ()  # counts whose people may be at the partner or not: nobody can know
    most_calls: int | None = None  # that the partner took
    ends_connected: bool | None = None
    ends_void: tuple[int, ...] = ()  # tokens that must be void at the partner
    ends_alive: int | None = None  # so many tokens are good for something at the partner,
    unheard: tuple[
        str, ...
    ] = ()  # and one more if the process dies at a point that begins like this: nobody knows it
    look: Look | None = None  # at the rows of the end: one sentence per thing that is wrong
    others_drain: bool = (
        True  # False: they only do what they were at, and leave the lease of the frozen one alone
    )

    def repeat(self, world: World) -> None:
        """What follows a death."""
        (self.again or self.act)(world)

    def others(self, world: World) -> None:
        """What another worker does while this one is frozen."""
        (self.meanwhile or self.repeat)(world)
        if self.others_drain:
            world.drain()
