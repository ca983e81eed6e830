"""The launch checklist of a canvas: problems and warnings. Computed, never stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from canvases import tree
from canvases.editing import conflicts
from canvases.entry_card import words
from canvases.models import Canvas, Step
from canvases.steps import KINDS, branch_numbers, conditions_form, former_syncs
from canvases.steps.base import StepProblem, Text
from partners.audiences import verify
from partners.connections.problems import SYNC_RELATED


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the checklist. ``url`` leads to the field that fixes it."""

    where: Text
    text: Text
    url: str
    blocks: bool


UNREACHED = _("No one comes here: all branches before it end with an exit.")


def steps_of(canvas: Canvas) -> QuerySet[Step]:
    """Return the steps of a canvas with the rows that cards, problems and summaries read."""
    # Their canvas is this object: it is not read again with each of them.
    return (
        canvas.steps.filter(removed_at=None)
        .select_related(f"sync__{SYNC_RELATED}")
        .prefetch_related(former_syncs.PREFETCH, conditions_form.SEGMENTS)
    )


def verified(canvas: Canvas, *, now: datetime) -> list[Item]:
    """Return the problems that only the partner knows. Sends requests, for a bounded time."""
    steps = {step.sync_id: step for step in tree.in_order(steps_of(canvas)) if step.sync}
    page = canvas.get_absolute_url()
    return [
        _item(
            steps[finding.sync.pk],
            KINDS[steps[finding.sync.pk].kind].title(steps[finding.sync.pk]),
            StepProblem(finding.text, blocks_launch=finding.blocks, field="audience_name"),
            page,
        )
        for finding in verify.check([step.sync for step in steps.values() if step.sync], now=now)
    ]


def items(canvas: Canvas, *, now: datetime, found: Iterable[Item] = ()) -> list[Item]:
    """Return blockers, then warnings, including the items that `verified` has ``found``."""
    steps = tree.in_order(steps_of(canvas))
    page = canvas.get_absolute_url()
    found = [*_of_canvas(canvas, steps, page, now=now), *found]
    opposed = conflicts.of_steps(steps)
    for step in steps:
        kind = KINDS[step.kind]
        problems = [*kind.problems(step, now=now), *kind.warnings(step, now=now)]
        problems += [
            StepProblem(one.text, blocks_launch=False, url=one.url)
            for one in opposed.get(step.pk, [])
        ]
        found += [_item(step, kind.title(step), problem, page) for problem in problems]
    found += [
        _item(step, KINDS[step.kind].title(step), StepProblem(UNREACHED, blocks_launch=False), page)
        for step in tree.unreached(tree.outline(steps, branch_numbers))
    ]
    return sorted(found, key=lambda item: not item.blocks)


def blockers(canvas: Canvas, *, now: datetime, found: Iterable[Item] = ()) -> list[Item]:
    """Return the items that block a launch. Skips the warnings, which count profiles."""
    steps = tree.in_order(steps_of(canvas))
    page = canvas.get_absolute_url()
    found = [*_of_canvas(canvas, steps, page, now=now), *found]
    for step in steps:
        kind = KINDS[step.kind]
        found += [
            _item(step, kind.title(step), problem, page) for problem in kind.problems(step, now=now)
        ]
    return [item for item in found if item.blocks]


def _of_canvas(canvas: Canvas, steps: Sequence[Step], page: str, *, now: datetime) -> list[Item]:
    found = [
        Item(_("Entry"), problem.text, f"{page}?entry=1#id_{problem.field}", True)
        for problem in words.problems(canvas, steps, now=now)
    ]
    if not steps:
        found.append(Item(_("Flow"), _("Add at least one component."), f"{page}?add=first", True))
    return found


def _item(step: Step, label: Text, problem: StepProblem, page: str) -> Item:
    url = problem.url or f"{page}?step={step.pk}" + (
        f"#id_{problem.field}" if problem.field else ""
    )
    return Item(label, problem.text, url, problem.blocks_launch)
