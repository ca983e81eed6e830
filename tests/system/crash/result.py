"""Collect the results of the runs of a scenario."""

from dataclasses import dataclass, field


@dataclass
class Result:
    """The number of points, and the violations at them.

    A point that was struck stands for its class: each point of a class leaves the same state.
    """

    n_points: int = 0  # in the classes that were struck
    n_struck: int = 0  # classes, each at one of its points
    # Points numbered in a run without a strike, but not reached in the run to be struck there.
    n_missed: int = 0
    # epoch -> distinct states that deaths at its points left behind; only with `--every-point`
    states: dict[str, list[str]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def has_missed_many(self) -> bool:
        """Return whether the runs that were struck differ from the one that was numbered."""
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
        for epoch, states in other.states.items():
            self.states[epoch] = sorted({*self.states.get(epoch, ()), *states})

    def mixed_epochs(self) -> list[str]:
        """Return the epochs with points that left different states behind."""
        return [
            f"epoch {epoch}: {states}" for epoch, states in self.states.items() if len(states) > 1
        ]
