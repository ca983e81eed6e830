"""What the runs of a scenario have shown."""

from dataclasses import dataclass, field


@dataclass
class Result:
    """How many points there were, and what was wrong at which.

    A point that was struck stands for all of its class: what is left behind is the same at each of them.
    """

    points: int = 0
    struck: int = 0
    missed: int = 0  # numbered in a run that nobody disturbed, but not reached in the run that was meant to end there
    left: dict[str, list[str]] = field(
        default_factory=dict
    )  # epoch -> what points of it left behind, each once
    violations: list[str] = field(default_factory=list)

    @property
    def has_missed_many(self) -> bool:
        """Whether the run that was numbered was another one than those that were struck."""
        return self.missed > self.points // 10

    def add(self, other: "Result") -> None:
        """What another lane found."""
        self.points, self.struck = self.points + other.points, self.struck + other.struck
        self.missed, self.violations = (
            self.missed + other.missed,
            self.violations + other.violations,
        )
        for epoch, left in other.left.items():
            self.left[epoch] = sorted({*self.left.get(epoch, ()), *left})

    def unlike(self) -> list[str]:
        """The epochs whose points did not leave the same behind."""
        return [f"epoch {epoch}: {left}" for epoch, left in self.left.items() if len(left) > 1]
