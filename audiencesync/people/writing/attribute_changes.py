"""Apply changes to custom attributes: set, delete, increment, edit lists and objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from audiencesync.people.parsers.numbers import BIGGEST

MOST_ATTRIBUTES = 500
LONGEST_LIST = 500
MOST_BYTES = 100_000  # size of one attribute as JSON


AttributeProblem = Literal["not_a_number", "not_a_list", "too_long", "too_many"]


class Unfit(Exception):
    """A change of an attribute that does not fit the stored value or would exceed a limit."""

    def __init__(self, problem: AttributeProblem) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Inc:
    """Increment: add a number; a missing value counts as 0."""

    by: int | float


@dataclass(frozen=True, slots=True)
class Edit:
    """Remove values from a list, then append others that are not in it yet."""

    add: tuple[Any, ...] = ()
    remove: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Merge:
    """Change parts of an object, at any depth; null removes a part."""

    parts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EditObjects:
    """Remove objects from a list, change some, then append others.

    A key and its value select an object.
    """

    add: tuple[dict[str, Any], ...] = ()
    update: tuple[tuple[str, Any, dict[str, Any]], ...] = ()
    remove: tuple[tuple[str, Any], ...] = ()


def apply_changes(
    stored: dict[str, Any], changes: Mapping[str, Any], unfit: dict[str, AttributeProblem]
) -> dict[str, Any]:
    """Return the attributes after a change; ``stored`` itself if nothing is new.

    An attribute whose change does not fit keeps its value, and the problem is added to ``unfit``.
    Raise Unfit if there would be too many attributes.
    """
    result = stored
    for name, value in changes.items():
        old = result.get(name)
        try:
            new = _new_value(old, value)
        except Unfit as error:
            unfit[name] = error.problem
            continue
        if _is_same(old, new):
            continue
        result = dict(stored) if result is stored else result
        if new is None:
            del result[name]
        else:
            result[name] = new
    if len(result) > MOST_ATTRIBUTES and len(result) > len(stored):
        raise Unfit("too_many")
    return result


def fits_new_profile(changes: Mapping[str, Any]) -> bool:
    """Return whether `apply_changes` accepts a change of a profile without attributes."""
    if len(changes) <= MOST_ATTRIBUTES:
        return True
    try:
        apply_changes({}, changes, {})
    except Unfit:
        return False
    return True


def _is_same(old: Any, new: Any) -> bool:
    """Return whether two values are the same in JSON; true is not 1, and 1 is not 1.0."""
    if type(old) is not type(new) or old != new:
        return False
    return not isinstance(new, dict | list) or _sorted_json(old) == _sorted_json(new)


def _sorted_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)  # objects are equal in any order of their keys


def _new_value(old: Any, change: Any) -> Any:
    """Return the value of an attribute after a change; None deletes it. Raise Unfit."""
    match change:
        case Inc(by):
            if old is not None and (isinstance(old, bool) or not isinstance(old, int | float)):
                raise Unfit("not_a_number")
            total = (old or 0) + by
            if abs(total) > BIGGEST:
                raise Unfit("too_long")
            return total
        case Edit(add, remove):
            values = [value for value in _list(old) if not _contains(value, remove)]
            if not add:  # removing from a missing list creates no attribute
                return values if old is not None else None
            values += add
            return _check_size(
                _check_length(
                    [value for i, value in enumerate(values) if not _contains(value, values[:i])]
                )
            )
        case Merge(parts):
            result = _check_size(_merge(old if isinstance(old, dict) else {}, parts))
            # An object that loses all parts stays as {}; a missing object is not created as {}.
            return result if result or isinstance(old, dict) else old
        case EditObjects(add, update, remove):
            objects = [
                item
                for item in _list(old)
                if not any(_is_selected(item, *selector) for selector in remove)
            ]
            for key, value, parts in update:
                objects = [
                    _merge(item, parts) if _is_selected(item, key, value) else item
                    for item in objects
                ]
            return _check_size(_check_length([*objects, *add])) if old is not None or add else None
    return change


def _merge(old: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object after a change of its parts."""
    result = dict(old)
    for name, part in parts.items():
        if part is None:
            result.pop(name, None)
        elif isinstance(part, dict):
            stored_part = result.get(name)
            result[name] = _merge(stored_part if isinstance(stored_part, dict) else {}, part)
        else:
            result[name] = part
    return result


def _is_selected(value: Any, key: str, selected_value: Any) -> bool:
    return isinstance(value, dict) and key in value and _is_same(value[key], selected_value)


def _check_size(value: Any) -> Any:
    if len(json.dumps(value)) > MOST_BYTES:
        raise Unfit("too_long")
    return value


def _list(old: Any) -> list[Any]:
    if old is None:
        return []
    if not isinstance(old, list):
        raise Unfit("not_a_list")
    return old


def _contains(value: Any, values: Any) -> bool:
    """Return whether the same value is among these."""
    return any(_is_same(value, other) for other in values)


def _check_length(values: list[Any]) -> list[Any]:
    if len(values) > LONGEST_LIST:
        raise Unfit("too_long")
    return values
