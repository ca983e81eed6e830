"""Follow all people through a flow at once: who would come to which step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import and_, or_

from django.db.models import Case, IntegerField, Q, QuerySet, Value, When

from audiencesync.people.models import Profile
from audiencesync.people.segments import filters
from canvases import tree
from canvases.models import Step
from canvases.steps import KINDS
from canvases.steps.base import Branch


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The people who come to a place: those for whom all ``conditions`` hold.

    ``way``: the branches around the place, the outermost first. ``is_later``: people wait before
    they come here.
    """

    conditions: tuple[Q, ...] = ()
    way: tuple[str, ...] = ()
    is_later: bool = False
    is_chosen: bool = False  # they come by a branch that events chose while they waited
    is_thinned: bool = False  # some may have left by such a branch before

    @property
    def is_at_most(self) -> bool:
        """Return whether the number of these people is only an upper limit."""
        return self.is_chosen or self.is_thinned


class Walk:
    """Goes through a flow as the engine does, with conditions on people instead of people.

    ``people``: those who enter. ``arrivals_at``: step -> who comes there, of the steps that people
    can come to. A constant number of queries, none of which counts people.
    Raise FilterError if a condition of a split cannot be read.
    """

    def __init__(self, steps: Sequence[Step], people: QuerySet[Profile], *, now: datetime) -> None:
        # (step before, branch) -> step. Branch 0 leads to the step that follows: after a split, the
        # step where its branches meet.
        self.step_at, self.now = tree.steps_by_place(steps), now
        self.people = people.order_by().annotate(**_branch_annotations(steps, now=now))
        self.number_of = {step.pk: n for n, step in enumerate(tree.in_order(steps), 1)}
        self.arrivals_at: dict[int, Arrivals] = {}
        self._path(self.step_at.get((None, 0)), Arrivals())

    def people_at(self, step: Step) -> QuerySet[Profile]:
        """Return the people who come to a step."""
        arrivals = self.arrivals_at.get(step.pk)
        return self.people.filter(*arrivals.conditions) if arrivals else self.people.none()

    def _path(self, step: Step | None, arrivals: Arrivals) -> Arrivals | None:
        """Store who comes to ``step`` and those after it; return who comes out of their branch."""
        current: Arrivals | None = arrivals
        while step is not None and current is not None:
            self.arrivals_at[step.pk] = current
            if KINDS[step.kind].due_on_arrival(step, now=self.now) > self.now:
                current = replace(current, is_later=True)
            current = self._block(step, current) if KINDS[step.kind].splits else current
            if not branches(step):
                return None
            step = self.step_at.get((step.pk, 0))
        return current

    def _block(self, split: Step, arrivals: Arrivals) -> Arrivals | None:
        """Follow people into the branches of a split; return who comes out; None if no one does."""
        after_branches, branch_conditions = list[Arrivals | None](), list[Q]()
        is_by_profile = splits_by_profile(split)
        for branch in branches(split):
            taken = (Q((branch_column(split), branch.number)),) if is_by_profile else ()
            in_branch = replace(
                arrivals,
                conditions=arrivals.conditions + taken,
                way=(*arrivals.way, str(branch.label)),
                is_chosen=arrivals.is_chosen or not is_by_profile,
            )
            after_branch = self._path(self.step_at.get((split.pk, branch.number)), in_branch)
            after_branches.append(after_branch)
            if after_branch is not None:
                added = after_branch.conditions[len(arrivals.conditions) :]
                branch_conditions.append(reduce(and_, added, Q()))
        going_on = [after for after in after_branches if after is not None]
        if not going_on:
            return None
        # All people who go into the branches come out if no branch adds a condition to its own. In
        # this case the split adds no condition.
        n_conditions = len(arrivals.conditions) + is_by_profile
        all_go_on = all(after and len(after.conditions) == n_conditions for after in after_branches)
        conditions = arrivals.conditions
        if is_by_profile and not all_go_on:
            conditions = (*conditions, reduce(or_, branch_conditions))
        return replace(
            arrivals,
            conditions=conditions,
            is_later=any(after.is_later for after in going_on),
            is_thinned=any(after.is_thinned for after in going_on)
            or not (all_go_on or is_by_profile),
        )


def branches(step: Step) -> Sequence[Branch]:
    """Return the ways out of a step."""
    return KINDS[step.kind].branches(step)


def splits_by_profile(step: Step) -> bool:
    """Return whether a split divides people by their profiles, not by what they do later."""
    # A condition on profiles is a stored filter (JSON); a Q is one on visits, for what people do.
    conditions = [branch.condition for branch in branches(step)]
    return KINDS[step.kind].splits and not any(isinstance(condition, Q) for condition in conditions)


def branch_column(split: Step) -> str:
    """Return the name of the annotation that holds the branch a profile takes."""
    return f"branch_of_{split.pk}"


def _branch_annotations(steps: Sequence[Step], *, now: datetime) -> dict[str, Case]:
    by_profile = [step for step in steps if splits_by_profile(step)]
    conditions = (branch.condition for step in by_profile for branch in branches(step))
    segments = filters.load_segments(conditions)
    return {
        branch_column(step): _branch_taken(branches(step), now, segments) for step in by_profile
    }


def _branch_taken(
    choices: Sequence[Branch], now: datetime, segments: Mapping[str, filters.ReferencedSegment]
) -> Case:
    """Return the branch that a profile takes: the first whose condition holds."""
    cases = [
        When(filters.parse(branch.condition, now=now, segments=segments), then=Value(branch.number))
        for branch in choices
        if branch.condition is not None
    ]
    return Case(*cases, default=Value(choices[-1].number), output_field=IntegerField())
