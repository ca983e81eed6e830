"""The trail of a visit: which steps it passed and how, written together with its place.

A list of people of a step is a search for one of its marks (people_lists/step_visits.py).
"""

from __future__ import annotations

import re

from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from canvases.models import Step

WENT_ON, LEFT, WITHDRAWN = ">", "!", "~"
_STEP = re.compile(r"/(\d+)")


def passed(step: Step, following: Step | None, branch: int = 0) -> str:
    """Return the mark of visits that went on from a step by a branch, or left the canvas there."""
    return mark(step, LEFT if following is None else WENT_ON, branch)


def mark(step: Step, way: str, branch: int | None = None) -> str:
    """Return the mark of one way out of a step, or the beginning of it without ``branch``."""
    return f"/{step.pk}{way}" + ("" if branch is None else f"{branch};")


def steps(trail: str) -> set[int]:
    """Return the ids of the steps in a trail."""
    return {int(found) for found in _STEP.findall(trail)}


def withdrawn(step: Step) -> str:
    """Return the mark of visits that ended, or were moved, before a step acted on them."""
    return f"/{step.pk}{WITHDRAWN};"


def withdrawn_anywhere() -> Concat:
    """Return the trail of visits that end before the step acts at which each of them is."""
    place = Cast(F("step_id"), CharField())
    return Concat(F("trail"), Value("/"), place, Value(f"{WITHDRAWN};"))


def longer(more: str) -> Concat:
    """Return the trail of visits with more marks."""
    return Concat(F("trail"), Value(more))
