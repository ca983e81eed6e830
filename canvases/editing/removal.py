"""Take a step out of the flow. A split goes with its branches, but one of them may stay."""

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
    next_of: dict[int, Step | None]  # removed step -> the step to which its waiting people go


def plan(steps: Sequence[Step], step: Step, keep: int) -> Removal:
    """Return the removal of a step; ``keep``: the branch that stays, 0 for none."""
    step_at = tree.steps_by_place(steps)
    kept_path = tree.path(steps, step_at.get((step.pk, keep))) if keep else []
    kept = [
        kept_step for first in kept_path for kept_step in (first, *tree.steps_inside(steps, first))
    ]
    kept_ids = {kept_step.pk for kept_step in kept}
    gone = [step, *(other for other in tree.steps_inside(steps, step) if other.pk not in kept_ids)]
    gone_ids = {gone_step.pk for gone_step in gone}

    def next_of(gone_step: Step) -> Step | None:
        target: Step | None = gone_step
        while target is not None and target.pk in gone_ids:
            target = tree.following(steps, target, keep if target.pk == step.pk else 0)
        return target

    return Removal(
        step,
        gone,
        head=kept_path[0] if kept_path else None,
        tail=kept_path[-1] if kept_path else None,
        after=step_at.get((step.pk, 0)),
        next_of={gone_step.pk: next_of(gone_step) for gone_step in gone},
    )


def relink(removal: Removal, *, now: datetime) -> None:
    """Take the removed steps out of the flow.

    The branch that stays takes the place of the step; what came after the step follows.
    """
    step = removal.step
    place = {"parent": step.parent, "branch": step.branch}
    gone_rows = Step.objects.filter(pk__in=[gone_step.pk for gone_step in removal.gone])
    gone_rows.update(removed_at=now, parent=None, branch=0)
    if removal.head is not None:
        Step.objects.filter(pk=removal.head.pk).update(**place)
        place = {"parent": removal.tail, "branch": 0}
    if removal.after is not None:
        Step.objects.filter(pk=removal.after.pk).update(**place)


def n_waiting(steps: Sequence[Step]) -> int:
    """Return how many people wait at these steps, or are still to be moved there from others."""
    there_q = Q(step__in=list(steps)) | Q(step__clears_to__in=list(steps))
    n: int = StepTally.objects.filter(there_q).aggregate(n=Sum("waiting", default=0))["n"]
    return n


def clear(removal: Removal, people: str, *, now: datetime) -> None:
    """Move the people who wait at the removed steps to the next step, or out of the canvas."""
    waiting_tallies = StepTally.objects.filter(step__in=removal.gone, waiting__gt=0)
    clearing = Step.objects.filter(clears_to__in=removal.gone)
    step_ids = {
        *waiting_tallies.values_list("step", flat=True),
        *clearing.values_list("clears_to", flat=True),
    }
    for step in removal.gone:
        if step.pk in step_ids:
            target = removal.next_of[step.pk] if people == People.NEXT else None
            engine.clear(step, to=target, now=now)
