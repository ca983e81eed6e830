"""Steps that add people to an audience from which another step removes people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext

from canvases.models import Canvas, Step
from partners.models import Action


@dataclass(frozen=True, slots=True)
class Conflict:
    """Another step that does the opposite at the same audience. ``url`` opens it."""

    text: str
    url: str


def of_steps(steps: Sequence[Step]) -> dict[int, list[Conflict]]:
    """Return the conflicts of each step, with steps of all canvases but archived ones.

    One query. The steps have their Sync and audience.
    """
    mine = [step for step in steps if step.sync is not None and step.removed_at is None]
    if not mine:
        return {}
    others: dict[tuple[int, str], list[Step]] = {}
    for other in _at_audiences({step.sync.audience_id for step in mine if step.sync}):
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


def _at_audiences(audiences: set[int]) -> Sequence[Step]:
    steps = Step.objects.filter(removed_at=None, sync__audience__in=audiences)
    steps = steps.exclude(canvas__state=Canvas.State.ARCHIVED)
    return list(steps.select_related("canvas__app_group", "sync").order_by("canvas", "pk"))


def _conflict(step: Step, other: Step) -> Conflict:
    assert step.sync is not None
    words = {"audience": step.sync.audience.name, "canvas": other.canvas.name}
    is_add = step.sync.action == Action.ADD
    if other.canvas_id == step.canvas_id and is_add:
        text = gettext(
            "Another component of this canvas removes people from “%(audience)s”. "
            "For each person, what is done last counts."
        )
    elif other.canvas_id == step.canvas_id:
        text = gettext(
            "Another component of this canvas adds people to “%(audience)s”. "
            "For each person, what is done last counts."
        )
    elif is_add:
        text = gettext(
            "The canvas “%(canvas)s” removes people from “%(audience)s”. "
            "For each person, what is done last counts."
        )
    else:
        text = gettext(
            "The canvas “%(canvas)s” adds people to “%(audience)s”. "
            "For each person, what is done last counts."
        )
    return Conflict(text % words, f"{other.canvas.get_absolute_url()}?step={other.pk}#panel")
