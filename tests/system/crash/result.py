"""Collect the results of the runs of a scenario."""

from dataclasses import dataclass, field


@dataclass
class Result:
    """The number of points, and the violations at them.

    A point that was struck stands for its class: each point of a class leaves the same state.
    """

    points: int = 0
    struck: int = 0
    # Points numbered in a run without a strike, but not reached in the run to be struck there.
    missed: int = 0
    # epoch -> distinct states that its points left behind
    left: dict[str, list[str]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def has_missed_many(self) -> bool:
        """Return whether the runs that were struck differ from the one that was numbered."""
        return self.missed > self.points // 10

    def add(self, other: "Result") -> None:
        """Add the result of another lane."""
        self.points, self.struck = self.points + other.points, self.struck + other.struck
        self.missed, self.violations = (
            self.missed + other.missed,
            self.violations + other.violations,
        )
        for epoch, left in other.left.items():
            self.left[epoch] = sorted({*self.left.get(epoch, ()), *left})

    def unlike(self) -> list[str]:
        """Return the epochs with points that left different states behind."""
        return [f"epoch {epoch}: {left}" for epoch, left in self.left.items() if len(left) > 1]
