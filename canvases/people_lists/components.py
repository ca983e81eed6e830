"""The components of a canvas at which its pending or errored people are."""

from __future__ import annotations

from dataclasses import dataclass

from canvases import analytics
from canvases.models import Canvas, Step
from canvases.people_lists import links
from canvases.steps import KINDS
from canvases.steps.base import Text
from partners.models import Outcome

BY_COMPONENT = (Outcome.PENDING, Outcome.ERRORED)


@dataclass(frozen=True, slots=True)
class Component:
    """A component, how many of the people are at it, and the address of their list."""

    name: Text
    n: int
    url: str


def of(canvas: Canvas, number: str) -> list[Component]:
    """Return the components with people of this number of the canvas, those with most first.

    Return none for a number that is not in BY_COMPONENT. The number of queries is constant.
    """
    if number not in BY_COMPONENT:
        return []
    steps = {step.pk: step for step in _steps(canvas)}
    counts = {
        pk: getattr(numbers, number)
        for pk, numbers in analytics.step_numbers(steps.values()).items()
    }
    ids = sorted((pk for pk in steps if counts[pk]), key=lambda pk: (-counts[pk], pk))
    return [
        Component(
            KINDS[steps[pk].kind].line(steps[pk]),
            counts[pk],
            links.step_people(steps[pk], number),
        )
        for pk in ids
    ]


def _steps(canvas: Canvas) -> list[Step]:
    """Return the steps that send, removed ones, too: people may still be pending at them."""
    kinds = [name for name, kind in KINDS.items() if kind.sends]
    steps = Step.objects.filter(canvas=canvas, kind__in=kinds)
    return list(steps.select_related("canvas__app_group", "sync__audience__ad_account"))
