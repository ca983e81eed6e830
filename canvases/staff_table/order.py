"""The order of the lines: groups in trouble first, or by one column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from canvases.analytics import METRICS
from canvases.staff_table.lines import Group, Line, Read
from canvases.staff_table.query import TROUBLE

NEVER = datetime.max.replace(tzinfo=UTC)


def is_by_group(sort: str) -> bool:
    """Return whether the lines of a group stand together."""
    return sort.removeprefix("-") in (TROUBLE, "group")


def ordered(found: Read, sort: str) -> list[Line]:
    """Return the lines in order; those without a value last."""
    name = sort.removeprefix("-")
    if name == TROUBLE:
        return _worst_first(found)

    def value(line: Line) -> str | float | datetime | None:
        if name == "group":
            return found.groups[line.group].row.name.casefold()
        if name in METRICS:
            n: int | None = getattr(line.numbers, name)
            return n
        text = {"canvas": "canvas_name", "step": "name"}.get(name, name)
        one = getattr(line, text)
        return one.casefold() if isinstance(one, str) else one

    # The database returns them in no order: without this, equal lines could change their pages.
    lines = sorted(found.lines, key=lambda line: line.step)
    known = [line for line in lines if value(line) is not None]
    known.sort(key=value, reverse=sort.startswith("-"))  # type: ignore[arg-type]  # no None left
    return known + [line for line in lines if value(line) is None]


def _worst_first(found: Read) -> list[Line]:
    """Sort by group: trouble, then warnings, then the oldest pending; the same within each."""
    groups = {pk: _badness(group) for pk, group in found.groups.items()}

    def badness(line: Line) -> tuple[Any, ...]:
        return (
            groups[line.group],
            not line.is_in_trouble,
            line.oldest_pending or NEVER,
            -line.numbers.errored,
            line.canvas_name.casefold(),
            line.step,
        )

    return sorted(found.lines, key=badness)


def _badness(group: Group) -> tuple[Any, ...]:
    deadline = group.incidents[0].deadline_at if group.incidents else None
    return (
        group.rank,
        deadline or NEVER,
        group.oldest or NEVER,
        -group.errored,
        group.row.name.casefold(),
        group.row.pk,
    )
