"""The trail of a visit: which steps it passed and how, written by the statement that moves it.

It is a text of marks, one for each step: "/5>1;" went on from step 5 by branch 1, "/5!0;" left the
canvas there, "/5~;" ended or was moved before step 5 acted. A list of people of a step is a search
for one of its marks (people_lists/step_visits.py).
"""

from __future__ import annotations

import re

from django.db.models import CharField, F, Value
from django.db.models.functions import Cast, Concat

from canvases.models import Step

WENT_ON, LEFT, WITHDRAWN = ">", "!", "~"
_STEP = re.compile(r"/(\d+)")


def passed_mark(step: Step, following: Step | None, branch: int = 0) -> str:
    """Return the mark of visits that went on from a step by a branch, or left the canvas there."""
    return mark(step, LEFT if following is None else WENT_ON, branch)


def mark(step: Step, way: str, branch: int | None = None) -> str:
    """Return the mark of a way out of a step: WENT_ON, LEFT or WITHDRAWN.

    Without ``branch``, return the beginning that the marks of all branches share.
    """
    return f"/{step.pk}{way}" + ("" if branch is None else f"{branch};")


def steps(trail: str) -> set[int]:
    """Return the ids of the steps in a trail."""
    return {int(step_id) for step_id in _STEP.findall(trail)}


def withdrawn_mark(step: Step) -> str:
    """Return the mark of visits that ended, or were moved, before a step acted on them."""
    return f"/{step.pk}{WITHDRAWN};"


def trail_when_withdrawn() -> Concat:
    """Return the trail, as an expression, of visits that end before their step has acted."""
    place = Cast(F("step_id"), CharField())
    return Concat(F("trail"), Value("/"), place, Value(f"{WITHDRAWN};"))


def with_marks(more: str) -> Concat:
    """Return the trail, as an expression, of visits with more marks."""
    return Concat(F("trail"), Value(more))
