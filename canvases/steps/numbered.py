"""Branches that a user adds and removes: each keeps its number, which its components refer to.

A number is spent once people have taken its branch, because their count and list refer to it. A new
branch should not get it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from canvases.steps.base import Branch, Text

if TYPE_CHECKING:
    from canvases.models import Step

MAX_PATHS = 7
EVERYONE_ELSE = MAX_PATHS + 1
MAX_NAME_LENGTH = 40
_NUMBERS = {str(n) for n in range(1, MAX_PATHS + 1)}


def free_number(used_numbers: Collection[int], *, spent: Collection[int] = ()) -> int:
    """Return the lowest number that no branch uses, preferably one that is not spent.

    Return EVERYONE_ELSE if all are used.
    """
    free = [n for n in range(1, MAX_PATHS + 1) if n not in used_numbers]
    return next((n for n in free if n not in spent), free[0] if free else EVERYONE_ELSE)


def typed_number(text: object) -> int | None:
    """Return the number of a branch that a form has sent; None if it is invalid."""
    return int(text) if isinstance(text, str) and text in _NUMBERS else None


def distinct_numbers(numbers: Iterable[int | None], *, spent: Collection[int]) -> list[int]:
    """Return the numbers of branches; replace each missing or repeated one by a free one."""
    given = list(numbers)
    kept, result = set(filter(None, given)), list[int]()
    for number in given:
        if number is None or number in result:
            result.append(free_number({*kept, *result}, spent=spent))
        else:
            result.append(number)
    return result


def spent_numbers(step: Step) -> set[int]:
    """Return the numbers of the branches that people took."""
    return set(step.branch_tallies.values_list("branch", flat=True))


def numbers_with_components(step: Step) -> set[int]:
    """Return the numbers of the branches that hold components."""
    children = step.children.filter(removed_at=None).exclude(branch__in=[0, EVERYONE_ELSE])
    return set(children.values_list("branch", flat=True))


def lost_names(step: Step, branches: Sequence[Branch], numbers: Collection[int]) -> list[Text]:
    """Return the names of branches with components whose number is not among ``numbers``.

    ``branches``: those that the step has now.
    """
    names = {branch.number: branch.label for branch in branches}
    lost_numbers = numbers_with_components(step) - set(numbers)
    return [names.get(number) or str(number) for number in sorted(lost_numbers)]


def lost_error(names: Sequence[Text]) -> str:
    """Return the error about components in branches that the settings would remove."""
    text = gettext("Components are still in the path “%(name)s”. Move or remove them first.")
    return text % {"name": names[0]}
