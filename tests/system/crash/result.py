"""Add up the results of all runs of a scenario."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Result:
    """The number of points, and the violations at them.

    A point that was struck stands for its class: each point of a class leaves the same state.
    """

    n_points: int = 0  # in the classes that were struck
    n_struck: int = 0  # classes, each at one of its points
    # Points that the run without a strike had, but the run that was to be struck did not reach.
    n_missed: int = 0
    n_compared: int = 0  # deaths whose state is in ``states``
    # epoch -> distinct states that deaths at its points left behind; only with `--every-point`
    states: dict[str, list[str]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def has_missed_many(self) -> bool:
        """Return whether the struck runs differ too much from the one that numbered the points."""
        return self.n_missed > self.n_points // 10

    def add(self, other: "Result") -> None:
        """Add the result of another shard."""
        self.n_points, self.n_struck = (
            self.n_points + other.n_points,
            self.n_struck + other.n_struck,
        )
        self.n_missed, self.violations = (
            self.n_missed + other.n_missed,
            self.violations + other.violations,
        )
        self.n_compared += other.n_compared
        for epoch, states in other.states.items():
            self.states[epoch] = sorted({*self.states.get(epoch, ()), *states})

    def mixed_epochs(self) -> list[str]:
        """Return the epochs with points that left different states behind, and what differs."""
        return [
            f"epoch {epoch}: {_differences(states)}"
            for epoch, states in self.states.items()
            if len(states) > 1
        ]


def _differences(states: list[str]) -> dict[str, list]:
    """Return path -> the value in each state, for the paths at which the states differ."""
    flat = [dict(_leaves(json.loads(state))) for state in states]
    values = {path: [leaves.get(path) for leaves in flat] for path in set().union(*flat)}
    return {path: each for path, each in values.items() if any(one != each[0] for one in each)}


def _leaves(state: object, path: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(state, dict):
        for name, value in state.items():
            yield from _leaves(value, f"{path}.{name}" if path else name)
    else:
        yield path, state
