"""The forecast of a launch: the branches that people would take, and how many would be sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, QuerySet
from django.utils.formats import number_format

from audiencesync.people.models import Profile
from canvases import checklist
from canvases.models import Canvas, Step
from canvases.prospects.walk import Walk, branch_column, branches, splits_by_profile
from canvases.steps import KINDS
from canvases.steps.base import Text


@dataclass(frozen=True, slots=True)
class Prospect:
    """The forecast at one step, ``pk``. ``way``: the branches it is in, the outermost first.

    ``is_later``: people wait before the step. ``is_at_most``: how many come depends on what they do
    while they wait.
    """

    pk: str
    step: Text
    text: Text
    way: str
    is_later: bool
    is_at_most: bool


def of_launch(canvas: Canvas, people: QuerySet[Profile], *, now: datetime) -> Iterator[Prospect]:
    """Yield a forecast for each step that people of a launch would come to, as they are now.

    There is one query for each step.
    """
    steps = list(checklist.steps_of(canvas))
    walk, by_pk = Walk(steps, people, now=now), {step.pk: step for step in steps}
    for pk in walk.arrivals_at:
        prospect = _prospect(walk, by_pk[pk])
        if prospect.text:
            yield prospect


def _prospect(walk: Walk, step: Step) -> Prospect:
    kind, arrivals, people = KINDS[step.kind], walk.arrivals_at[step.pk], walk.people_at(step)
    name: Text
    text: Text
    if splits_by_profile(step):
        name, text = kind.title(step), _shares(step, people)
    else:
        name, text = kind.line(step), kind.forecast(step, people)
    way = " › ".join(arrivals.way)
    return Prospect(
        str(step.pk),
        f"{walk.number_of[step.pk]} {name}",
        text,
        way,
        arrivals.is_later,
        arrivals.is_at_most,
    )


def _shares(split: Step, people: QuerySet[Profile]) -> str:
    """Return text such as: Yes: 12, No: 3."""
    rows = people.values_list(branch_column(split)).annotate(n=Count("pk"))
    n_by_number = dict(rows)
    return ", ".join(
        f"{branch.label}: {number_format(n_by_number.get(branch.number, 0))}"
        for branch in branches(split)
    )
