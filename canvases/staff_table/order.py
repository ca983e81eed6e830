"""The order of the lines: groups in trouble first, or by one column."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from canvases.analytics import METRICS
from canvases.staff_table.lines import Group, Line, Table
from canvases.staff_table.query import TROUBLE

NEVER = datetime.max.replace(tzinfo=UTC)


def is_by_group(sort: str) -> bool:
    """Return whether the lines of a group stand together."""
    return sort.removeprefix("-") in (TROUBLE, "group")


def sort_lines(table: Table, sort: str) -> list[Line]:
    """Return the lines in order; those without a value last."""
    name = sort.removeprefix("-")
    if name == TROUBLE:
        return _worst_first(table)

    def value(line: Line) -> str | float | datetime | None:
        if name == "group":
            return table.groups[line.group].row.name.casefold()
        if name in METRICS:
            n: int | None = getattr(line.numbers, name)
            return n
        attribute = {"canvas": "canvas_name", "step": "name"}.get(name, name)
        cell = getattr(line, attribute)
        return cell.casefold() if isinstance(cell, str) else cell

    # The database returns lines in no order. Without this sort, a line could change its page if
    # others have the same value.
    lines = sorted(table.lines, key=lambda line: line.step)
    with_value = [line for line in lines if value(line) is not None]
    is_descending = sort.startswith("-")
    with_value.sort(key=value, reverse=is_descending)  # type: ignore[arg-type]  # no None left
    return with_value + [line for line in lines if value(line) is None]


def _worst_first(table: Table) -> list[Line]:
    """Sort groups by trouble, warnings and oldest pending, then the lines of each likewise."""
    group_key_of = {pk: _group_key(group) for pk, group in table.groups.items()}

    def line_key(line: Line) -> tuple[Any, ...]:
        return (
            group_key_of[line.group],
            not line.is_in_trouble,
            line.oldest_pending or NEVER,
            -line.numbers.errored,
            line.canvas_name.casefold(),
            line.step,
        )

    return sorted(table.lines, key=line_key)


def _group_key(group: Group) -> tuple[Any, ...]:
    deadline = group.incidents[0].deadline_at if group.incidents else None
    return (
        group.rank,
        deadline or NEVER,
        group.oldest or NEVER,
        -group.errored,
        group.row.name.casefold(),
        group.row.pk,
    )
