"""Define a scenario: its start, the work that a signal interrupts, and its allowed ends."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.system.crash.world import World

Work = Callable[[World], object]
Check = Callable[[World], Iterable[str]]


@dataclass(frozen=True, kw_only=True)
class End:
    """One allowed end.

    ``counts``: Sync label -> counts other than zero; ``members``: audience -> numbers of people
    who are in it at the partner.
    """

    counts: dict[str, dict[str, int]]
    members: dict[str, set[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scenario:
    """The work of each process of a scenario, in the order in which it may run, and the checks."""

    name: str
    prepare: Work  # creates the rows from which each run starts
    interrupted: Work  # is killed or frozen at one of its points
    allowed_ends: tuple[End, ...]
    # What runs after a kill: a repeated task, a second press of a button. None: ``interrupted``.
    retry: Work | None = None
    # What another process runs during a freeze. None: the same as ``retry``.
    concurrent: Work | None = None
    # Whether the process of ``concurrent`` then works until nothing is left, also on the work of
    # the frozen process, whose lease ends.
    concurrent_drains: bool = True
    finish: Work | None = None  # in every run, before the end is checked
    check: Check | None = None  # yields one sentence per violation in the rows of the end
    faults: tuple[tuple[str, dict], ...] = ()  # faults of the sandbox: (kind, details)
    people_per_request: int = 10_000
    # Whether HTTP runs in threads, as in production: the order of the points varies then.
    in_threads: bool = False
    allowed_errors: tuple[str, ...] = ()  # names of errors that are no violation
    # name -> number of audiences of this name that must exist at the partner
    audiences: dict[str, int] = field(default_factory=dict)
    # states of deliveries that may have arrived at the partner or not: we cannot know
    possible_states: tuple[str, ...] = ()
    max_calls: int | None = None  # successful calls to the partner
    is_connected_at_end: bool | None = None  # None: not checked
    void_tokens: tuple[int, ...] = ()  # indexes of the tokens that the partner must have revoked
    n_valid_tokens: int | None = None  # at the partner
    # Beginnings of labels of points. A death there leaves one more valid token at the partner,
    # which the product has not stored.
    token_lost_at: tuple[str, ...] = ()

    def run_retry(self, world: World) -> None:
        """Run the work that follows a death."""
        (self.retry or self.interrupted)(world)

    def run_concurrent(self, world: World) -> None:
        """Run the work of another process while the interrupted one is frozen."""
        (self.concurrent or self.run_retry)(world)
        if self.concurrent_drains:
            world.drain()
