"""The lock of a canvas, its steps, and the numbers that move with its visits."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from canvases.models import (
    BranchTally,
    Canvas,
    CanvasHour,
    ExitTally,
    LeftBy,
    Step,
    StepHour,
    StepTally,
)

TASK = "canvases.engine.beat"
HOUR_COLUMNS = ("entered", "proceeded", "exited", "withdrawn")
_ADD_TO_HOUR = """
INSERT INTO {table} (step_id, hour, {columns}) VALUES (%s, %s, {marks})
ON CONFLICT (step_id, hour) DO UPDATE SET {sums}
""".format(
    table=StepHour._meta.db_table,
    columns=", ".join(HOUR_COLUMNS),
    marks=", ".join(["%s"] * len(HOUR_COLUMNS)),
    sums=", ".join(
        f"{name} = {StepHour._meta.db_table}.{name} + excluded.{name}" for name in HOUR_COLUMNS
    ),
)


def lock_live(canvas_id: int) -> bool:
    """Lock a canvas if it is live, until the caller's transaction ends; return whether it is.

    Locks are taken in this order everywhere: canvases, then profiles.
    """
    return locked_live(canvas_id) is not None


def locked_live(canvas_id: int) -> Canvas | None:
    """Return a live canvas under its row lock; None, without a lock, if it is not live."""
    live = Canvas.objects.select_for_update(of=("self",)).select_related("segment", "app_group")
    return live.filter(pk=canvas_id, state=Canvas.State.LIVE).first()


def first_step(canvas: Canvas) -> Step | None:
    """Return the step that begins the flow; None if there are no steps."""
    step = Step.objects.filter(canvas=canvas, parent=None, removed_at=None).first()
    if step is not None:
        step.canvas = canvas
    return step


def active_steps(canvas: Canvas) -> list[Step]:
    """Return the steps of a canvas that are not removed, for `tree.following`."""
    steps = list(Step.objects.filter(canvas=canvas, removed_at=None))
    for step in steps:
        step.canvas = canvas  # a delay reads the time zone of its group
    return steps


def reread_step(step_id: int) -> Step:
    """Read a step again under the lock, with the rows that its `act` reads."""
    connection_path = "sync__audience__ad_account__connection"
    return Step.objects.select_related("canvas", connection_path).get(pk=step_id)


def count_entries(canvas: Canvas, n: int, *, now: datetime) -> None:
    """Add ``n`` entries to the canvas, to its day and to its hour, under the lock of the canvas."""
    if not n:
        return
    canvas.entered += n
    canvas.entered_that_day = entered_today(canvas, now=now) + n
    canvas.entered_on = _day(canvas, now)
    Canvas.objects.filter(pk=canvas.pk).update(
        entered=F("entered") + n,
        entered_on=canvas.entered_on,
        entered_that_day=canvas.entered_that_day,
        first_entry_at=Coalesce("first_entry_at", Value(now)),
        last_entry_at=now,
    )
    hour, _is_new = CanvasHour.objects.get_or_create(
        canvas=canvas, hour=now.replace(minute=0, second=0, microsecond=0)
    )
    CanvasHour.objects.filter(pk=hour.pk).update(entered=F("entered") + n)


def entered_today(canvas: Canvas, *, now: datetime) -> int:
    """Return how many people have entered on this day of the app group."""
    return canvas.entered_that_day if canvas.entered_on == _day(canvas, now) else 0


def _day(canvas: Canvas, now: datetime) -> date:
    return now.astimezone(ZoneInfo(canvas.app_group.time_zone)).date()


def count_exits(canvas: Canvas, reason: LeftBy, n: int) -> None:
    """Add ``n`` visits that ended early for ``reason``."""
    tally, _is_new = ExitTally.objects.get_or_create(canvas=canvas, reason=reason)
    ExitTally.objects.filter(pk=tally.pk).update(n=F("n") + n)


def count_move(step: Step, following: Step | None, n: int, *, now: datetime) -> None:
    """Count ``n`` visits from a step to the next one, or out of the canvas."""
    if following is None:
        count_departures(step.pk, n, to="exited", now=now)
    else:
        count_departures(step.pk, n, to="proceeded", now=now)
        count_arrivals(following, n, now=now)


def count_branch(step: Step, branch: int, n: int) -> None:
    """Count ``n`` visits that took a branch of a split."""
    BranchTally.objects.bulk_create([BranchTally(step=step, branch=branch)], ignore_conflicts=True)
    BranchTally.objects.filter(step=step, branch=branch).update(n=F("n") + n)


def count_arrivals(step: Step, n: int, *, now: datetime) -> None:
    """Count ``n`` visits that came to a step."""
    StepTally.objects.bulk_create([StepTally(step=step)], ignore_conflicts=True)
    StepTally.objects.filter(step=step).update(entered=F("entered") + n, waiting=F("waiting") + n)
    _add_to_hour(step.pk, "entered", n, now=now)


def count_departures(step_id: int, n: int, *, to: str, now: datetime) -> None:
    """Count ``n`` visits that left a step; ``to``: proceeded, exited or withdrawn."""
    StepTally.objects.filter(step=step_id).update(waiting=F("waiting") - n, **{to: F(to) + n})
    _add_to_hour(step_id, to, n, now=now)


def _add_to_hour(step_id: int, name: str, n: int, *, now: datetime) -> None:
    if not n:
        return
    hour = connection.ops.adapt_datetimefield_value(now.replace(minute=0, second=0, microsecond=0))
    counts = [n if column == name else 0 for column in HOUR_COLUMNS]
    with connection.cursor() as cursor:
        cursor.execute(_ADD_TO_HOUR, [step_id, hour, *counts])
