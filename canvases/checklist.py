"""The launch checklist of a canvas: problems and warnings. Computed, never stored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    # By the related manager each step gets this canvas object, and does not read it.
    return (
        canvas.steps.filter(removed_at=None)
        .select_related(f"sync__{SYNC_RELATED}")
        .prefetch_related(former_syncs.PREFETCH, conditions_form.SEGMENTS)
    )


def partner_problems(canvas: Canvas, *, now: datetime) -> list[Item]:
    """Return the problems that only the partner knows. Sends requests, for a bounded time."""
    ordered = tree.in_order(steps_of(canvas))
    steps, names = {step.sync_id: step for step in ordered if step.sync}, _names(ordered)
    page = canvas.get_absolute_url()
    return [
        _item(
            steps[finding.sync.pk],
            names,
            StepProblem(finding.text, blocks_launch=finding.blocks, field="audience_name"),
            page,
        )
        for finding in verify.check([step.sync for step in steps.values() if step.sync], now=now)
    ]


def items(canvas: Canvas, *, now: datetime, partner_items: Iterable[Item] = ()) -> list[Item]:
    """Return blockers, then warnings. ``partner_items``: the result of `partner_problems`."""
    steps = tree.in_order(steps_of(canvas))
    page = canvas.get_absolute_url()
    lines = [*_of_canvas(canvas, steps, page, now=now), *partner_items]
    conflicts_of, names = conflicts.of_steps(steps), _names(steps)
    for step in steps:
        kind = KINDS[step.kind]
        problems = [*kind.problems(step, now=now), *kind.warnings(step, now=now)]
        problems += [
            StepProblem(conflict.text, blocks_launch=False, url=conflict.url)
            for conflict in conflicts_of.get(step.pk, [])
        ]
        lines += [_item(step, names, problem, page) for problem in problems]
    lines += [
        _item(step, names, StepProblem(UNREACHED, blocks_launch=False), page)
        for step in tree.unreached_steps(tree.outline(steps, branch_numbers))
    ]
    return sorted(lines, key=lambda item: not item.blocks)


def blockers(canvas: Canvas, *, now: datetime, partner_items: Iterable[Item] = ()) -> list[Item]:
    """Return the items that block a launch, without the warnings, which take long to count.

    ``partner_items``: the result of `partner_problems`.
    """
    steps = tree.in_order(steps_of(canvas))
    page = canvas.get_absolute_url()
    lines = [*_of_canvas(canvas, steps, page, now=now), *partner_items]
    names = _names(steps)
    for step in steps:
        problems = KINDS[step.kind].problems(step, now=now)
        lines += [_item(step, names, problem, page) for problem in problems]
    return [item for item in lines if item.blocks]


def _of_canvas(canvas: Canvas, steps: Sequence[Step], page: str, *, now: datetime) -> list[Item]:
    items = [
        Item(_("Entry"), problem.text, f"{page}?entry=1#id_{problem.field}", True)
        for problem in words.problems(canvas, steps, now=now)
    ]
    if not steps:
        items.append(Item(_("Flow"), _("Add at least one component."), f"{page}?add=first", True))
    return items


def _names(steps: Sequence[Step]) -> dict[int, str]:
    """Return step -> number and title, as its card shows them."""
    return {step.pk: f"{n} {KINDS[step.kind].title(step)}" for n, step in enumerate(steps, 1)}


def _item(step: Step, names: Mapping[int, str], problem: StepProblem, page: str) -> Item:
    url = problem.url or f"{page}?step={step.pk}" + (
        f"#id_{problem.field}" if problem.field else ""
    )
    return Item(names[step.pk], problem.text, url, problem.blocks_launch)
