"""What the removal of a step does: a split takes the branches with it that are not kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import models
from django.db.models import Q, Sum
from django.utils.translation import gettext_lazy as _

from canvases import engine, tree
from canvases.models import Step, StepTally


class People(models.TextChoices):
    """Where people go who wait at a step that is removed."""

    NEXT = "next", _("They go on at once with what comes next")
    EXIT = "exit", _("They leave the canvas")


@dataclass(frozen=True, slots=True)
class Removal:
    """The steps that go, the step itself first, and the first step of the branch that stays."""

    step: Step
    gone: list[Step]
    head: Step | None
    tail: Step | None  # the last step of the branch that stays
    after: Step | None  # what came after the step or its block
    next_of: dict[int, Step | None]  # where people go on who wait at a step that goes


def plan(steps: Sequence[Step], step: Step, keep: int) -> Removal:
    """Return the removal of a step; ``keep``: the branch that stays, 0 for none."""
    at = tree.places(steps)
    kept = tree.path(steps, at.get((step.pk, keep))) if keep else []
    stay = {one.pk for first in kept for one in (first, *tree.inside(steps, first))}
    gone = [step, *(one for one in tree.inside(steps, step) if one.pk not in stay)]
    ids = {one.pk for one in gone}

    def next_of(one: Step) -> Step | None:
        found: Step | None = one
        while found is not None and found.pk in ids:
            found = tree.following(steps, found, keep if found.pk == step.pk else 0)
        return found

    return Removal(
        step,
        gone,
        head=kept[0] if kept else None,
        tail=kept[-1] if kept else None,
        after=at.get((step.pk, 0)),
        next_of={one.pk: next_of(one) for one in gone},
    )


def relink(removal: Removal, *, now: datetime) -> None:
    """Take the steps out of the flow; the branch that stays, then what came after, move up."""
    step = removal.step
    place = {"parent": step.parent, "branch": step.branch}
    out = Step.objects.filter(pk__in=[one.pk for one in removal.gone])
    out.update(removed_at=now, parent=None, branch=0)
    if removal.head is not None:
        Step.objects.filter(pk=removal.head.pk).update(**place)
        place = {"parent": removal.tail, "branch": 0}
    if removal.after is not None:
        Step.objects.filter(pk=removal.after.pk).update(**place)


def n_waiting(steps: Sequence[Step]) -> int:
    """Return how many people wait at these steps, or are on their way there from removed ones."""
    there = Q(step__in=list(steps)) | Q(step__clears_to__in=list(steps))
    n: int = StepTally.objects.filter(there).aggregate(n=Sum("waiting", default=0))["n"]
    return n


def clear(removal: Removal, people: str, *, now: datetime) -> None:
    """Let the people who wait at steps that go pass on, or leave the canvas."""
    waited_at = StepTally.objects.filter(step__in=removal.gone, waiting__gt=0)
    on_the_way = Step.objects.filter(clears_to__in=removal.gone)
    places = [*waited_at.values_list("step"), *on_the_way.values_list("clears_to")]
    for step in removal.gone:
        if (step.pk,) in places:
            target = removal.next_of[step.pk] if people == People.NEXT else None
            engine.clear(step, to=target, now=now)
