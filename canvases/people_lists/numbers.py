"""Every number of steps and canvases by its name in the address."""

from __future__ import annotations

from canvases.models import Canvas, Step
from canvases.people_lists import canvas_numbers, deliveries, requests, step_visits
from canvases.people_lists.number import Number, UnknownNumber

OF_STEPS = {*deliveries.SENT, *deliveries.REMOVALS, *step_visits.LABELS, requests.NAME}


def is_of_steps(name: str) -> bool:
    """Return whether steps may have a number of this name."""
    return name in OF_STEPS or name.startswith(step_visits.BRANCH)


def of_step(step: Step, name: str, reason: str | None = None, *, is_counted: bool = True) -> Number:
    """Return a number of a step. ``reason``: only the people of this reason, code or request.

    Without ``is_counted``, nothing that takes long is counted. Raise UnknownNumber.
    """
    if name in deliveries.SENT or name in deliveries.REMOVALS:
        return deliveries.number(step, name, reason, is_counted=is_counted)
    if name == requests.NAME:
        return requests.number(step, reason, is_counted=is_counted)
    if reason is not None:
        raise UnknownNumber
    return step_visits.number(step, name)


def of_canvas(canvas: Canvas, name: str, *, is_counted: bool = True) -> Number:
    """Return a number of a canvas. Raise UnknownNumber."""
    return canvas_numbers.number(canvas, name, is_counted=is_counted)
