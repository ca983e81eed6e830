"""The flow of a canvas as a tree of blocks. Pure functions over loaded steps, at most 200.

The step after a step is its child with branch 0. A split is a block: its children with branch 1 to
n begin its branches, and its child with branch 0 comes after the block, where the branches meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from canvases.models import Step

Places = Mapping[tuple[int | None, int], Step]


def steps_by_place(steps: Iterable[Step]) -> Places:
    """Return (parent, branch) -> step; the first step of the flow has the place (None, 0)."""
    return {(step.parent_id, step.branch): step for step in steps}


def following(steps: Sequence[Step], step: Step, branch: int = 0) -> Step | None:
    """Return the step after ``step`` by this branch; None if people leave the canvas there.

    A step at the end of a branch is followed by what comes after the block of its split.
    """
    return _following(steps_by_place(steps), {other.pk: other for other in steps}, step, branch)


def _following(by_place: Places, by_id: Mapping[int, Step], step: Step, branch: int) -> Step | None:
    at: Step | None = step
    while at is not None:
        if (next_step := by_place.get((at.pk, branch))) is not None:
            return next_step
        # An empty branch leads to what comes after the split: look for branch 0 of the split next.
        # A step without a branch 0 ends its own branch: go on with the split around the step.
        if not branch:
            at = _block_around(by_id, at)
        branch = 0
    return None


def all_following(
    steps: Sequence[Step], branch_numbers: Callable[[Step], Sequence[int]]
) -> dict[int, dict[int, Step | None]]:
    """Return step -> branch -> the step after it, for each branch that ``branch_numbers`` names."""
    by_place, by_id = steps_by_place(steps), {step.pk: step for step in steps}
    return {
        step.pk: {n: _following(by_place, by_id, step, n) for n in branch_numbers(step)}
        for step in steps
    }


def block_around(steps: Sequence[Step], step: Step) -> Step | None:
    """Return the innermost split that has the step in a branch; None without one."""
    return _block_around({other.pk: other for other in steps}, step)


def _block_around(steps: Mapping[int, Step], step: Step) -> Step | None:
    while step.parent_id is not None:
        parent = steps[step.parent_id]
        if step.branch:
            return parent
        step = parent
    return None


_LAST = 1_000  # in place of branch 0, to sort it behind all others


def in_order(steps: Iterable[Step]) -> list[Step]:
    """Return the steps in the order of reading: a step, its branches 1 to n, what comes after."""
    after: dict[int | None, list[Step]] = {}  # step -> the steps with it as parent
    # The steps are in reverse order, since the last of the list is taken next.
    for step in sorted(steps, key=lambda step: step.branch or _LAST, reverse=True):
        after.setdefault(step.parent_id, []).append(step)
    ordered, waiting = [], after.pop(None, [])
    while waiting:
        step = waiting.pop()
        ordered.append(step)
        waiting += after.pop(step.pk, [])
    return ordered


def path(steps: Iterable[Step], first: Step | None) -> list[Step]:
    """Return a step and those after it in the same branch, without the steps inside splits."""
    by_place, steps_of_path = steps_by_place(steps), list[Step]()
    while first is not None:
        steps_of_path.append(first)
        first = by_place.get((first.pk, 0))
    return steps_of_path


def steps_inside(steps: Sequence[Step], split: Step) -> list[Step]:
    """Return the steps in the branches of a split, in the order of reading."""
    by_id = {other.pk: other for other in steps}
    return [other for other in in_order(steps) if _is_inside(by_id, other, split)]


def _is_inside(steps: Mapping[int, Step], step: Step, split: Step) -> bool:
    while step.parent_id is not None:
        if step.parent_id == split.pk:
            return bool(step.branch)
        step = steps[step.parent_id]
    return False


@dataclass(frozen=True, slots=True)
class Path:
    """A branch of a split, or the whole flow (number 0).

    ``ends``: no person comes out of it, since it has an exit, or a split whose branches all end.
    """

    number: int
    nodes: tuple[Node, ...]
    ends: bool = False

    @property
    def last(self) -> Step | None:
        """Return the last step, after which another can be added; None without steps."""
        return self.nodes[-1].step if self.nodes else None


@dataclass(frozen=True, slots=True)
class Node:
    """A step with its branches, which only a split has.

    ``first`` and ``last``: numbers of the first and the last branch that people come out of; 0 if
    there is none.
    """

    step: Step
    branches: tuple[Path, ...] = ()
    first: int = 0
    last: int = 0

    @property
    def ends(self) -> bool:
        """Return whether no person comes out of the block."""
        return bool(self.branches) and not self.first


def outline(steps: Sequence[Step], branch_numbers: Callable[[Step], Sequence[int]]) -> Path:
    """Return the flow as nested paths.

    ``branch_numbers``: step -> the numbers of its branches; (0,) if all people go on, () if all
    leave the canvas.
    """
    return _Outline(steps_by_place(steps), branch_numbers).path(None, 0)


def unreached_steps(path: Path) -> list[Step]:
    """Return each step directly after a block that no person comes out of (`Node.ends`)."""
    within = [
        step for node in path.nodes for branch in node.branches for step in unreached_steps(branch)
    ]
    return within + [after.step for node, after in pairwise(path.nodes) if node.ends]


class _Outline:
    def __init__(self, by_place: Places, branch_numbers: Callable[[Step], Sequence[int]]) -> None:
        self.by_place, self.branch_numbers = by_place, branch_numbers

    def path(self, parent: int | None, branch: int) -> Path:
        nodes, ends = list[Node](), False
        step = self.by_place.get((parent, branch))
        while step is not None:
            numbers = self.branch_numbers(step)
            node = self.node(step, [n for n in numbers if n])
            nodes.append(node)
            # Go on after an exit: a step behind it is shown, so that it can be moved or removed.
            ends = ends or not numbers or node.ends
            step = self.by_place.get((step.pk, 0))
        return Path(branch, tuple(nodes), ends)

    def node(self, step: Step, numbers: Sequence[int]) -> Node:
        branches = tuple(self.path(step.pk, number) for number in numbers)
        open_numbers = [branch.number for branch in branches if not branch.ends]
        first, last = (open_numbers[0], open_numbers[-1]) if open_numbers else (0, 0)
        return Node(step, branches, first, last)
