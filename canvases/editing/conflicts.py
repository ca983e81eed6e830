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
    """Return the conflicts of each step, with steps of all canvases but archived ones.

    One query. The steps have their Sync and audience.
    """
    mine = [step for step in steps if step.sync is not None and step.removed_at is None]
    if not mine:
        return {}
    others: dict[tuple[int, str], list[Step]] = {}
    for other in _opponents(mine):
        if other.sync is not None:
            others.setdefault((other.sync.audience_id, other.sync.action), []).append(other)
    found = {
        step.pk: [
            _conflict(step, other)
            for other in others.get(
                (step.sync.audience_id, Action(step.sync.action).opposite.value), []
            )
        ]
        for step in mine
        if step.sync is not None
    }
    return {step: conflicts for step, conflicts in found.items() if conflicts}


def _opponents(mine: Sequence[Step]) -> Sequence[Step]:
    """Return the steps that do the opposite of one of these at its audience."""
    asked = Q()
    for action in Action:
        audiences = {one.sync.audience_id for one in mine if one.sync and one.sync.action == action}
        asked |= Q(sync__action=action.opposite, sync__audience__in=audiences)
    steps = Step.objects.filter(asked, removed_at=None)
    steps = steps.exclude(canvas__state=Canvas.State.ARCHIVED)
    return list(steps.select_related("canvas__app_group", "sync").order_by("canvas", "pk"))


def _conflict(step: Step, other: Step) -> Conflict:
    assert step.sync is not None
    words = {"audience": step.sync.audience.name, "canvas": other.canvas.name}
    is_same, is_add = other.canvas_id == step.canvas_id, step.sync.action == Action.ADD
    text, short = (gettext(one) % words for one in _TEXTS[is_same, is_add])
    return Conflict(text, short, f"{other.canvas.get_absolute_url()}?step={other.pk}#panel")


_TEXTS = {  # the other step is in the same canvas, this step adds -> the text, and for a card
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
