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
    # The related manager gives each step this canvas object, which saves a query per step.
    return (
        canvas.steps.filter(removed_at=None)
        .select_related(f"sync__{SYNC_RELATED}")
        .prefetch_related(former_syncs.PREFETCH, conditions_form.SEGMENTS)
    )


def partner_problems(canvas: Canvas, *, now: datetime) -> list[Item]:
    """Return the problems that only the partner knows. Sends requests, for a bounded time."""
    steps = tree.in_order(steps_of(canvas))
    step_of_sync = {step.sync_id: step for step in steps if step.sync}
    syncs = [step.sync for step in step_of_sync.values() if step.sync]
    names = _names(steps)
    page = canvas.get_absolute_url()
    return [
        _item(
            step_of_sync[finding.sync.pk],
            names,
            StepProblem(finding.text, blocks_launch=finding.blocks, field="audience_name"),
            page,
        )
        for finding in verify.check(syncs, now=now)
    ]


def items(canvas: Canvas, *, now: datetime, partner_items: Iterable[Item] = ()) -> list[Item]:
    """Return blockers, then warnings. ``partner_items``: the result of `partner_problems`."""
    steps = tree.in_order(steps_of(canvas))
    page = canvas.get_absolute_url()
    lines = [*_of_canvas(canvas, steps, page, now=now), *partner_items]
    names = _names(steps)
    conflicts_of = conflicts.of_steps(steps)  # with steps that do the opposite at the same audience
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
    """Return the items that block a launch.

    Leave out the warnings of steps: some count all profiles of the segment, which takes long.
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
    """Return the problems of the entry, and of a canvas without steps."""
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
