"""Steps that add people to an audience from which another step removes people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils.translation import gettext, gettext_noop

from canvases.models import Canvas, Step
from partners.models import Action


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another step that does the opposite at the same audience.

    ``short``: for a card. ``url`` opens the other step.
    """

    text: str
    short: str
    url: str


def of_steps(steps: Sequence[Step]) -> dict[int, list[Conflict]]:
    """Return step -> its conflicts, with steps of all canvases but archived ones.

    One query. ``steps``: with their Sync and audience loaded.
    """
    sending_steps = [step for step in steps if step.sync is not None and step.removed_at is None]
    if not sending_steps:
        return {}
    others: dict[tuple[int, str], list[Step]] = {}
    for other in _opponents(sending_steps):
        if other.sync is not None:
            others.setdefault((other.sync.audience_id, other.sync.action), []).append(other)
    conflicts_of = {
        step.pk: [
            _conflict(step, other)
            for other in others.get(
                (step.sync.audience_id, Action(step.sync.action).opposite.value), []
            )
        ]
        for step in sending_steps
        if step.sync is not None
    }
    return {step: conflicts for step, conflicts in conflicts_of.items() if conflicts}


def _opponents(sending_steps: Sequence[Step]) -> Sequence[Step]:
    """Return the steps that do the opposite of a sending step at the same audience."""
    opposite_q = Q()
    for action in Action:
        audiences = {
            step.sync.audience_id
            for step in sending_steps
            if step.sync and step.sync.action == action
        }
        opposite_q |= Q(sync__action=action.opposite, sync__audience__in=audiences)
    steps = Step.objects.filter(opposite_q, removed_at=None)
    steps = steps.exclude(canvas__state=Canvas.State.ARCHIVED)
    return list(steps.select_related("canvas__app_group", "sync").order_by("canvas", "pk"))


def _conflict(step: Step, other: Step) -> Conflict:
    assert step.sync is not None
    params = {"audience": step.sync.audience.name, "canvas": other.canvas.name}
    is_same, is_add = other.canvas_id == step.canvas_id, step.sync.action == Action.ADD
    text, short = (gettext(template) % params for template in _TEXTS[is_same, is_add])
    return Conflict(text, short, f"{other.canvas.get_absolute_url()}?step={other.pk}#panel")


# (is the other step in the same canvas, does this step add) -> the text, and a short one for cards
_TEXTS = {
    (True, True): (
        gettext_noop(
            "Another component of this canvas removes people from “%(audience)s”. "
            "For each person, what is done last counts."
        ),
        gettext_noop("Another component removes people from it"),
    ),
    (True, False): (
        gettext_noop(
            "Another component of this canvas adds people to “%(audience)s”. "
            "For each person, what is done last counts."
        ),
        gettext_noop("Another component adds people to it"),
    ),
    (False, True): (
        gettext_noop(
            "The canvas “%(canvas)s” removes people from “%(audience)s”. "
            "For each person, what is done last counts."
        ),
        gettext_noop("“%(canvas)s” removes people from it"),
    ),
    (False, False): (
        gettext_noop(
            "The canvas “%(canvas)s” adds people to “%(audience)s”. "
            "For each person, what is done last counts."
        ),
        gettext_noop("“%(canvas)s” adds people to it"),
    ),
}
