"""The numbers of a step that count visits: who came, waits, went on, left, took a branch."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.core.lists import Part, Rows
from audiencesync.core.web import sent_numbers
from canvases import analytics, reasons
from canvases.engine import trails
from canvases.models import BranchTally, Step, StepTally
from canvases.people_lists import visits
from canvases.people_lists.number import Number, UnknownNumber
from canvases.steps import KINDS
from partners.people import counted

MARK_KINDS = {"proceeded": trails.WENT_ON, "exited": trails.LEFT, "withdrawn": trails.WITHDRAWN}
LABELS: dict[str, Promise] = {
    "entered": analytics.METRICS["entered"],
    "proceeded": analytics.METRICS["proceeded"],
    "exited": analytics.METRICS["exited"],
    "waiting": _("Waiting here"),
    "withdrawn": _("Left before this component acted"),
}
BRANCH = "branch_"  # prefix of the names of numbers of people who took a branch


def number(step: Step, name: str) -> Number:
    """Return a number that counts visits. Raise UnknownNumber."""
    if name.startswith(BRANCH):
        return _branch(step, name)
    if name not in LABELS:
        raise UnknownNumber
    tally = StepTally.objects.filter(step=step).first() or StepTally(step=step)
    n: int = getattr(tally, name)
    if name == "waiting":
        return Number(name, LABELS[name], n, 0, [_waiting_part(step, n)])
    if name == "entered":
        return _entered(step, tally)
    gone = tally.base.get(name, 0)
    return Number(name, LABELS[name], n, gone, [_with_marks(step, [_mark(step, name)])])


def _entered(step: Step, tally: StepTally) -> Number:
    """Return the people who came to a step.

    If the step sends, people who have left it are listed by its deliveries, which have outcomes.
    """
    label, waiting = LABELS["entered"], _waiting_part(step, tally.waiting)
    syncs = reasons.syncs_of(step, is_removal=False)
    if not syncs:
        passed_part = _with_marks(step, [_mark(step, name) for name in MARK_KINDS])
        gone = sum(tally.base.values())
        return Number("entered", label, tally.entered, gone, [waiting, passed_part])
    gone = tally.base.get("withdrawn", 0)
    parts: list[Part] = [waiting]
    for outcome in counted.outcomes_of(syncs):
        gone += counted.n_deleted(syncs, outcome, None)
        parts += counted.parts(syncs, outcome, None)
    if tally.withdrawn > tally.base.get("withdrawn", 0):
        # This part comes last, as it is slow: to find a few people, it reads all visits of the
        # canvas.
        parts.append(_with_marks(step, [_mark(step, "withdrawn")]))
    return Number("entered", label, tally.entered, gone, parts)


def _branch(step: Step, name: str) -> Number:
    label_of = {
        branch_row.number: branch_row.label for branch_row in KINDS[step.kind].branches(step)
    }
    branch = sent_numbers.whole(name.removeprefix(BRANCH), most=999) or 0
    tally = BranchTally.objects.filter(step=step, branch=branch).first()
    if tally is None and not (branch and branch in label_of):
        raise UnknownNumber
    label = gettext("Branch: %(name)s") % {"name": label_of.get(branch, branch)}
    marks = [trails.mark(step, way, branch) for way in (trails.WENT_ON, trails.LEFT)]
    n, gone = (tally.n, tally.base) if tally else (0, 0)
    return Number(name, label, n, gone, [_with_marks(step, marks)])


def _mark(step: Step, name: str) -> str:
    return trails.mark(step, MARK_KINDS[name])


def _waiting_part(step: Step, n: int) -> Part:
    return Rows(visits.waiting_at(step, n))


def _with_marks(step: Step, marks: Iterable[str]) -> Part:
    """Return the visits whose trail has one of these marks."""
    marks_q = reduce(or_, (Q(trail__contains=mark) for mark in marks))
    return Rows(visits.of_canvas(step.canvas_id).filter(marks_q))
