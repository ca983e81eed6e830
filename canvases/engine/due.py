"""Which steps people are due at, and in which order their crowds move."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import zip_longest

from django.db import connection

from audiencesync.groups.models import AppGroup
from canvases.models import Canvas, Step, StepTally, Visit

# The query jumps from step to step in the index of open visits: it reads one entry for each step
# at which people wait, however many they are, and none for the other steps. It begins below all
# step ids and asks for the next one, not for the lowest: `min` implies "is not null", and where the
# statistics know of no open visit, PostgreSQL would then read and sort all of them for each step.
_DUE_STEPS = """
WITH RECURSIVE waiting (step_id) AS (
    SELECT CAST(0 AS bigint)
    UNION ALL
    SELECT (
        SELECT step_id FROM {visit} WHERE step_id > waiting.step_id ORDER BY step_id LIMIT 1
    ) FROM waiting WHERE waiting.step_id IS NOT NULL
)
SELECT due.step_id, due.canvas_id, due.n FROM (
    SELECT step.id AS step_id, step.canvas_id, coalesce(tally.waiting, 0) AS n,
        (SELECT min(due_at) FROM {visit} WHERE step_id = step.id) AS first_at
    FROM waiting JOIN {step} step ON step.id = waiting.step_id
    JOIN {canvas} canvas ON canvas.id = step.canvas_id
    JOIN {group} app_group ON app_group.id = canvas.app_group_id
    LEFT JOIN {tally} tally ON tally.step_id = step.id
    WHERE canvas.state = %s AND app_group.archived_at IS NULL AND step.removed_at IS NULL
) due WHERE due.first_at <= %s ORDER BY due.first_at, due.step_id
"""


def rounds(*, now: datetime) -> list[list[int]]:
    """Return the ids of steps with due visits, in rounds with at most one step of each live canvas.

    The first round has, of each canvas, the step whose people are due the longest. Within a round,
    canvases in which few people wait come first: they do not wait for the crowds of the others.
    """
    by_canvas: dict[int, list[int]] = {}
    n_waiting: dict[int, int] = {}
    for step, canvas, n in _due_steps(now):
        by_canvas.setdefault(canvas, []).append(step)
        n_waiting[canvas] = n_waiting.get(canvas, 0) + n
    ordered = [
        by_canvas[canvas] for canvas in sorted(by_canvas, key=lambda canvas: n_waiting[canvas])
    ]
    return [[step for step in steps if step is not None] for steps in zip_longest(*ordered)]


def _due_steps(now: datetime) -> Sequence[tuple[int, int, int]]:
    """Return (step, canvas, how many people wait at the step), the longest due first."""
    models = {"visit": Visit, "step": Step, "canvas": Canvas, "group": AppGroup, "tally": StepTally}
    names = {name: model._meta.db_table for name, model in models.items()}
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_DUE_STEPS.format(**names), [Canvas.State.LIVE, at])
        rows: Sequence[tuple[int, int, int]] = cursor.fetchall()
    return rows
