"""A canvas with its steps in the shape of Braze's /canvas/details."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from ninja import Field, Schema

from audiencesync.rest import door
from canvases import tree
from canvases.models import VARIANT, Canvas, Step, name_of
from canvases.steps import KINDS, branch_numbers

# What lets people enter -> Braze's name for it.
SCHEDULE_TYPES: dict[str, str] = {
    Canvas.EntryBy.LAUNCH: "time_based",
    Canvas.EntryBy.SCHEDULE: "time_based",
    Canvas.EntryBy.SEGMENT: "action_based",
    Canvas.EntryBy.EVENT: "action_based",
    Canvas.EntryBy.CALL: "api_triggered",
}


class NextPath(Schema):
    """A way out of a step."""

    name: str | None = Field(description="The name of the branch; null if the step is no split")
    next_step_id: str | None = Field(description="null: people leave the canvas")


class StepDetails(Schema):
    """A step. ``next_paths`` of a split has every branch, in the order in which people are asked.

    At the end of a branch, the next step is the one after the split, where its branches meet.
    """

    name: str = Field(description="Without one: the name of its audience, or its type")
    type: Literal[tuple(KINDS)]  # type: ignore[valid-type]  # one value for each kind of step
    id: str
    next_step_ids: list[str]
    next_paths: list[NextPath]
    channels: list[str]
    messages: dict[str, object] = Field(description="Always empty: steps send no messages")


class Variant(Schema):
    """The only variant of a canvas: people are not divided before the first step."""

    id: str
    name: str
    first_step_ids: list[str]
    first_step_id: str | None


class CanvasDetails(door.Success):
    """One canvas with its steps, in the order of reading.

    ``schedule_type``: time_based (at the launch or on a schedule), action_based (by an event, or
    by joining a segment that is kept up to date) or api_triggered.
    """

    name: str
    description: str
    created_at: str
    updated_at: str
    archived: bool
    draft: bool
    enabled: bool
    has_post_launch_draft: Literal[False] = Field(description="A canvas has one version")
    schedule_type: Literal["time_based", "action_based", "api_triggered"]
    first_entry: str | None
    last_entry: str | None
    channels: list[str]
    variants: list[Variant]
    tags: list[str]
    teams: list[str]
    steps: list[StepDetails]


def of(canvas: Canvas) -> dict[str, Any]:
    """Return the parts of a canvas. One query."""
    current = canvas.steps.filter(removed_at=None)
    steps = tree.in_order(current.select_related("sync__audience__ad_account__connection"))
    after = tree.all_following(steps, branch_numbers)
    return {
        "name": canvas.name,
        "description": canvas.description,
        "created_at": canvas.created_at.isoformat(),
        "updated_at": canvas.edited_at.isoformat(),
        "archived": canvas.state == Canvas.State.ARCHIVED,
        "draft": canvas.state == Canvas.State.DRAFT,
        "enabled": canvas.state == Canvas.State.LIVE,
        "has_post_launch_draft": False,
        "schedule_type": SCHEDULE_TYPES[canvas.entry_by],
        "first_entry": _iso(canvas.first_entry_at),
        "last_entry": _iso(canvas.last_entry_at),
        "channels": sorted({channel for step in steps for channel in _channels(step)}),
        "variants": [_variant(canvas, steps)],
        "tags": [],
        "teams": [],
        "steps": [_step(step, after[step.pk]) for step in steps],
    }


def _variant(canvas: Canvas, steps: list[Step]) -> dict[str, object]:
    first = [str(step.api_id) for step in steps if step.parent_id is None]
    return {
        "id": str(canvas.api_id),
        "name": VARIANT,
        "first_step_ids": first,
        "first_step_id": next(iter(first), None),
    }


def _step(step: Step, after: Mapping[int, Step | None]) -> dict[str, object]:
    next_steps = [next_step for next_step in after.values() if next_step is not None]
    return {
        "name": name_of(step),
        "type": step.kind,
        "id": str(step.api_id),
        # Each step once: branches that meet lead to the same one.
        "next_step_ids": list(dict.fromkeys(str(next_step.api_id) for next_step in next_steps)),
        "next_paths": _paths(step, after),
        "channels": _channels(step),
        "messages": {},
    }


def _paths(step: Step, after: Mapping[int, Step | None]) -> list[dict[str, object]]:
    if not KINDS[step.kind].splits:
        return [
            {"name": None, "next_step_id": str(next_step.api_id)}
            for next_step in after.values()
            if next_step is not None
        ]
    return [
        {"name": str(branch.label), "next_step_id": str(next_step.api_id) if next_step else None}
        for branch in KINDS[step.kind].branches(step)
        for next_step in [after[branch.number]]
    ]


def _channels(step: Step) -> list[str]:
    if step.sync is None:
        return []
    return [f"audience_sync_{step.sync.audience.ad_account.connection.partner}"]


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
