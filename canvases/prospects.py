"""The forecast of a launch: the branches that people would take, and how many would be sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import reduce
from operator import and_, or_

from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When
from django.utils.formats import number_format

from audiencesync.people.models import Profile
from audiencesync.people.segments import filters
from canvases import checklist, tree
from canvases.models import Canvas, Step
from canvases.steps import KINDS
from canvases.steps.base import Branch, Text


@dataclass(frozen=True, slots=True)
class Prospect:
    """The forecast at one step. ``way``: the branches it stands in, the outermost first.

    ``is_later``: people wait before the step. ``is_at_most``: how many of them take this way
    depends on what they do while they wait.
    """

    step: Text
    text: Text
    way: str
    is_later: bool
    is_at_most: bool


def of_launch(canvas: Canvas, people: QuerySet[Profile], *, now: datetime) -> list[Prospect]:
    """Return a forecast for each step that people of a launch would come to, as they are now."""
    walk = _Walk(list(checklist.steps_of(canvas)), people, now=now)
    walk.path(walk.at.get((None, 0)), _Crowd())
    return walk.found


@dataclass(frozen=True, slots=True)
class _Crowd:
    """The people at a place: those for whom all of ``who`` holds."""

    who: tuple[Q, ...] = ()
    way: tuple[str, ...] = ()
    is_later: bool = False
    is_chosen: bool = False  # by what they do while they wait
    is_thinned: bool = False  # some of them may have left by such a choice


class _Walk:
    """Goes through the flow as the engine does, with all people at once."""

    def __init__(self, steps: Sequence[Step], people: QuerySet[Profile], *, now: datetime) -> None:
        self.at, self.now = tree.places(steps), now
        splits = {_key(one): _branch_taken(_branches(one), now) for one in steps if _asks(one)}
        self.people = people.order_by().annotate(**splits)
        self.number = {one.pk: n for n, one in enumerate(tree.in_order(steps), 1)}
        self.found: list[Prospect] = []

    def path(self, step: Step | None, crowd: _Crowd) -> _Crowd | None:
        """Note what becomes of a crowd from a step on; return who comes out of the branch."""
        at: _Crowd | None = crowd
        while step is not None and at is not None:
            self._note(step, at)
            if KINDS[step.kind].due_on_arrival(step, now=self.now) > self.now:
                at = replace(at, is_later=True)
            at = self._block(step, at) if KINDS[step.kind].splits else at
            if not _branches(step):
                return None
            step = self.at.get((step.pk, 0))
        return at

    def _block(self, split: Step, crowd: _Crowd) -> _Crowd | None:
        outs, ways, asks = list[_Crowd | None](), list[Q](), _asks(split)
        for branch in _branches(split):
            taken = (Q((_key(split), branch.number)),) if asks else ()
            inside = replace(
                crowd,
                who=crowd.who + taken,
                way=(*crowd.way, str(branch.label)),
                is_chosen=crowd.is_chosen or not asks,
            )
            outs.append(out := self.path(self.at.get((split.pk, branch.number)), inside))
            if out is not None:
                ways.append(reduce(and_, out.who[len(crowd.who) :], Q()))
        going = [one for one in outs if one is not None]
        if not going:
            return None
        is_whole = all(one and len(one.who) == len(crowd.who) + asks for one in outs)
        return replace(
            crowd,
            who=crowd.who if is_whole or not asks else (*crowd.who, reduce(or_, ways)),
            is_later=any(one.is_later for one in going),
            is_thinned=any(one.is_thinned for one in going) or not (is_whole or asks),
        )

    def _note(self, step: Step, crowd: _Crowd) -> None:
        kind, people = KINDS[step.kind], self.people.filter(*crowd.who)
        text = _shares(step, people) if _asks(step) else kind.forecast(step, people)
        if text:
            is_at_most = crowd.is_chosen or crowd.is_thinned
            way = " › ".join(crowd.way)
            name = f"{self.number[step.pk]} {kind.title(step) if _asks(step) else kind.line(step)}"
            self.found.append(Prospect(name, text, way, crowd.is_later, is_at_most))


def _branches(step: Step) -> Sequence[Branch]:
    return KINDS[step.kind].branches(step)


def _asks(step: Step) -> bool:
    """Return whether people are divided by what is known of them before."""
    conditions = [one.condition for one in _branches(step)]
    return KINDS[step.kind].splits and not any(isinstance(one, Q) for one in conditions)


def _key(split: Step) -> str:
    return f"branch_of_{split.pk}"


def _branch_taken(branches: Sequence[Branch], now: datetime) -> Case:
    """Return the branch that a profile takes: the first whose condition holds."""
    asked = [
        When(filters.parse(one.condition, now=now), then=Value(one.number))
        for one in branches
        if one.condition is not None
    ]
    return Case(*asked, default=Value(branches[-1].number), output_field=IntegerField())


def _shares(split: Step, people: QuerySet[Profile]) -> str:
    """Return such as: Yes: 12, No: 3."""
    rows = people.values_list(_key(split)).annotate(n=Count("pk"))
    n_of = dict(rows)
    return ", ".join(
        f"{one.label}: {number_format(n_of.get(one.number, 0))}" for one in _branches(split)
    )
