"""Move due visits from step to step: the periodic job of canvases.

A crowd is a set of visits that one transaction moves together (`crowds`). The trail of a visit is
the list of the steps it has passed, one mark for each (`trails`).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from audiencesync.core.beat import wake
from audiencesync.people.models import Profile
from audiencesync.people.segments import filters
from audiencesync.people.segments import live as live_segments
from canvases import tree
from canvases.engine import (
    admission,
    clearance,
    crowds,
    due,
    rows,
    schedules,
    signals,
    trails,
    waits,
)
from canvases.models import Canvas, Step, Visit
from canvases.steps import KINDS
from canvases.steps.base import Branch

logger = logging.getLogger(__name__)
CROWDS_SECONDS = 2.0  # how long only crowds move before signals and entries are processed again


def beat() -> None:
    """Run as a task: move people for a bounded time, and schedule another run if work is left."""
    ends_at = time.monotonic() + settings.SYNC.flush_seconds
    has_more = _update_segments(now=timezone.now(), seconds=settings.SYNC.flush_seconds / 2)
    while move_all(now=timezone.now(), ends_at=ends_at):
        if time.monotonic() > ends_at:
            has_more = True
            break
    if has_more:
        wake(rows.TASK)


def _update_segments(*, now: datetime, seconds: float) -> bool:
    """Bring live segments up to date; return whether work is left."""
    try:
        return live_segments.work(now=now, seconds=seconds)
    except (OperationalError, InterfaceError):
        raise
    except Exception:  # the edge of a loop: one segment must not stop the journeys
        logger.exception("Live segments could not be brought up to date; the next beat tries again")
        return False


def move_all(*, now: datetime, ends_at: float | None = None) -> int:
    """Process some signals, removed steps and entries of each canvas, then one crowd of each step.

    ``ends_at``: from when on no further round of crowds begins (time.monotonic). If it is given and
    there was nothing but crowds to move, move several crowds of each step. The first round always
    runs. Return the number of signals and people together.
    """
    live = Canvas.objects.filter(state=Canvas.State.LIVE, app_group__archived_at=None)
    work: list[tuple[Callable[..., int], QuerySet[Canvas]]] = [
        (signals.work, signals.with_work(live)),
        (clearance.work, clearance.with_work()),
        (schedules.start, live.filter(next_run_at__lte=now)),
        (admission.admit, live.exclude(entry_until=None)),
    ]
    n = sum(
        _move_one(move, pk, now=now)
        for move, canvases in work
        for pk in list(canvases.values_list("pk", flat=True))
    )
    repeats_until = 0.0 if n or ends_at is None else time.monotonic() + CROWDS_SECONDS
    return n + _move_due(now=now, ends_at=ends_at, repeats_until=repeats_until)


def _move_due(*, now: datetime, ends_at: float | None, repeats_until: float) -> int:
    """Move a crowd of each step with due people; repeat steps with full crowds for a while.

    ``repeats_until``: from when on no step is repeated (time.monotonic).

    Due steps are queried once, and where each crowd ended is kept in memory, since both queries
    read past the index entries of all visits that have moved.
    """
    n, ends = 0, crowds.Ends()
    rounds = due.rounds(now=now)  # lists of steps, moved one list after the other
    while rounds:
        full = []
        for steps in rounds:
            moved = {pk: _move_one(advance, pk, now=now, ends=ends) for pk in steps}
            n += sum(moved.values())
            full.append([pk for pk, n_there in moved.items() if n_there == crowds.CROWD])
            if ends_at is not None and time.monotonic() > ends_at:
                return n
        if time.monotonic() > repeats_until:
            return n
        rounds = [steps for steps in full if steps]
    return n


def _move_one(move: Callable[..., int], pk: int, **how: Any) -> int:
    """Return ``move(pk)``; 0 after an error: one canvas must not stop the others."""
    try:
        return move(pk, **how)
    except (OperationalError, InterfaceError):
        raise  # the database is away or busy: the other canvases would fail as well
    except Exception:  # the edge of a loop
        logger.exception(
            "A crowd could not be moved (%s %s); the next beat tries again.", move.__name__, pk
        )
        return 0


def advance(step_id: int, *, now: datetime, ends: crowds.Ends | None = None) -> int:
    """Let a step act on its next crowd of due visits and move them on; return how many.

    ``ends``: step -> where its last crowd ended; updated by this call.
    """
    ends = crowds.Ends() if ends is None else ends
    with transaction.atomic():
        step = Step.objects.select_related("canvas").get(pk=step_id)
        canvas = rows.locked_live(step.canvas_id)
        if canvas is None:
            return 0
        ready = Visit.objects.filter(step=step, due_at__lte=now)
        crowd = crowds.first(ready, after=ends.get(step_id))
        if crowd is None:
            return 0
        step = rows.reread_step(step_id)
        if step.removed_at is not None:  # `clearance` moves these people
            return 0
        KINDS[step.kind].act(step, crowd.visits, now=now)
        n = _move_on(step, canvas, crowd.visits, now=now)
    if crowd.end is not None:
        ends[step_id] = crowd.end
    return n


def _move_on(step: Step, canvas: Canvas, crowd: QuerySet[Visit], *, now: datetime) -> int:
    """Move visits along their branches, or out of the canvas; return how many.

    The tallies move by the number of rows that changed.
    """
    passages = _take_branches(step, canvas, crowd, rows.active_steps(canvas), now=now)
    for passage in passages:
        rows.count_move(passage.step, passage.following, passage.n, now=now)
        if passage.branch:
            rows.count_branch(passage.step, passage.branch, passage.n)
        if passage.following is not None:
            # An event from before they came to a wait may end this wait at once.
            waits.catch_up_at(passage.following, now=now)
    return sum(passage.n for passage in passages if passage.step is step)


@dataclass(frozen=True, slots=True)
class Passage:
    """``n`` visits that went from a step to the next one, or out of the canvas, by a branch."""

    step: Step
    branch: int
    following: Step | None
    n: int


def _take_branches(
    step: Step,
    canvas: Canvas,
    crowd: QuerySet[Visit],
    steps: list[Step],
    *,
    trail: str = "",
    now: datetime,
) -> list[Passage]:
    """Move visits along the branches of a step; return what moved, in the order of the steps.

    ``trail``: the marks of the steps that they have passed in this move.
    One update per branch, in order: a visit that has moved does not match ``crowd`` any more, so
    each visit takes one branch even if a profile changes between two updates.
    """
    branches = KINDS[step.kind].branches(step)
    if not branches:
        n = crowds.move(crowd, None, trail=trail + trails.passed_mark(step, None), now=now)
        return [Passage(step, 0, None, n)] if n else []
    # Only the conditions of several branches need the range.
    profile_range = _profile_range(crowd) if len(branches) > 1 else (0, 0)
    passages, later_passages = list[Passage](), list[Passage]()
    for branch in branches:
        following = tree.following(steps, step, branch.number)
        takers = crowd.filter(_branch_q(branch, canvas, profile_range, now=now))
        marks = trail + trails.passed_mark(step, following, branch.number)
        if following is not None and _is_skipped(following, is_whole_crowd=len(branches) == 1):
            # The visits skip this step: instead of two updates there is one, to the step after it.
            inner_passages = _take_branches(following, canvas, takers, steps, trail=marks, now=now)
            n = sum(passage.n for passage in inner_passages if passage.step is following)
            later_passages += inner_passages
        else:
            n = crowds.move(takers, following, trail=marks, now=now)
        if n:
            passages.append(Passage(step, branch.number, following, n))
    return passages + later_passages


def _is_skipped(step: Step, *, is_whole_crowd: bool) -> bool:
    """Return whether people who come to a step leave it in the same update.

    ``is_whole_crowd``: no split divides the crowd before it. Behind a split only exits are left at
    once, because each further split would double the number of updates.
    """
    kind = KINDS[step.kind]
    return kind.is_instant and (is_whole_crowd or not kind.branches(step))


def _profile_range(crowd: QuerySet[Visit]) -> tuple[int, int]:
    """Return the lowest and the highest profile of a crowd."""
    # The slice makes the crowd a subquery. Otherwise PostgreSQL would look for the lowest profile
    # by reading an index of all visits, in the order of profiles, from its beginning.
    ends = crowd.order_by()[: crowds.CROWD].aggregate(low=Min("profile"), high=Max("profile"))
    return ends["low"] or 0, ends["high"] or 0


def _branch_q(
    branch: Branch, canvas: Canvas, profile_range: tuple[int, int], *, now: datetime
) -> Q:
    """Return the condition on the visits of a crowd that take a branch.

    ``profile_range``: the lowest and highest profile of the crowd. Without both
    limits, PostgreSQL may read all profiles for each crowd.
    """
    if branch.condition is None or isinstance(branch.condition, Q):
        return branch.condition or Q()
    people = Profile.objects.filter(
        filters.parse(branch.condition, now=now),
        pk=OuterRef("profile_id"),
        pk__range=profile_range,
        app_group=canvas.app_group_id,
    )
    return Q(Exists(people))
