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
class Crowd:
    """The people at a place: those for whom all of ``who`` holds.

    ``way``: the branches it stands in, the outermost first. ``is_later``: people wait before it.
    """

    who: tuple[Q, ...] = ()
    way: tuple[str, ...] = ()
    is_later: bool = False
    is_chosen: bool = False  # by what they do while they wait
    is_thinned: bool = False  # some of them may have left by such a choice

    @property
    def is_at_most(self) -> bool:
        """Return whether how many take this way depends on what they do while they wait."""
        return self.is_chosen or self.is_thinned


class Walk:
    """Goes through a flow as the engine does. ``crowds``: the crowd at each step that has one.

    ``people``: those who enter. A constant number of queries, before any crowd is counted.
    Raise FilterError if a condition of a split cannot be read.
    """

    def __init__(self, steps: Sequence[Step], people: QuerySet[Profile], *, now: datetime) -> None:
        self.at, self.now = tree.places(steps), now
        self.people = people.order_by().annotate(**_splits(steps, now=now))
        self.number = {one.pk: n for n, one in enumerate(tree.in_order(steps), 1)}
        self.crowds: dict[int, Crowd] = {}
        self._path(self.at.get((None, 0)), Crowd())

    def people_at(self, step: Step) -> QuerySet[Profile]:
        """Return the people who come to a step."""
        crowd = self.crowds.get(step.pk)
        return self.people.filter(*crowd.who) if crowd else self.people.none()

    def _path(self, step: Step | None, crowd: Crowd) -> Crowd | None:
        """Store who comes to each step from one on; return who comes out of the branch."""
        at: Crowd | None = crowd
        while step is not None and at is not None:
            self.crowds[step.pk] = at
            if KINDS[step.kind].due_on_arrival(step, now=self.now) > self.now:
                at = replace(at, is_later=True)
            at = self._block(step, at) if KINDS[step.kind].splits else at
            if not branches(step):
                return None
            step = self.at.get((step.pk, 0))
        return at

    def _block(self, split: Step, crowd: Crowd) -> Crowd | None:
        outs, ways, is_known = list[Crowd | None](), list[Q](), splits_by_profile(split)
        for branch in branches(split):
            taken = (Q((branch_column(split), branch.number)),) if is_known else ()
            inside = replace(
                crowd,
                who=crowd.who + taken,
                way=(*crowd.way, str(branch.label)),
                is_chosen=crowd.is_chosen or not is_known,
            )
            outs.append(out := self._path(self.at.get((split.pk, branch.number)), inside))
            if out is not None:
                ways.append(reduce(and_, out.who[len(crowd.who) :], Q()))
        going = [one for one in outs if one is not None]
        if not going:
            return None
        is_whole = all(one and len(one.who) == len(crowd.who) + is_known for one in outs)
        return replace(
            crowd,
            who=crowd.who if is_whole or not is_known else (*crowd.who, reduce(or_, ways)),
            is_later=any(one.is_later for one in going),
            is_thinned=any(one.is_thinned for one in going) or not (is_whole or is_known),
        )


def branches(step: Step) -> Sequence[Branch]:
    """Return the ways out of a step."""
    return KINDS[step.kind].branches(step)


def splits_by_profile(step: Step) -> bool:
    """Return whether a split divides people by their profiles, not by what they do later."""
    conditions = [one.condition for one in branches(step)]
    return KINDS[step.kind].splits and not any(isinstance(one, Q) for one in conditions)


def branch_column(split: Step) -> str:
    """Return the name of the annotation that holds the branch a profile takes."""
    return f"branch_of_{split.pk}"


def _splits(steps: Sequence[Step], *, now: datetime) -> dict[str, Case]:
    by_profile = [step for step in steps if splits_by_profile(step)]
    known = filters.known_to(one.condition for step in by_profile for one in branches(step))
    return {branch_column(step): _branch_taken(branches(step), now, known) for step in by_profile}


def _branch_taken(
    ways: Sequence[Branch], now: datetime, known: Mapping[str, filters.Known]
) -> Case:
    """Return the branch that a profile takes: the first whose condition holds."""
    asked = [
        When(filters.parse(one.condition, now=now, known=known), then=Value(one.number))
        for one in ways
        if one.condition is not None
    ]
    return Case(*asked, default=Value(ways[-1].number), output_field=IntegerField())
