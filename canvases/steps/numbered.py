"""Branches that a user adds and removes: each keeps its number, which its components refer to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from canvases.steps.base import Branch, Text

if TYPE_CHECKING:
    from canvases.models import Step

MOST_PATHS = 7
EVERYONE_ELSE = MOST_PATHS + 1
LONGEST_NAME = 40
_NUMBERS = {str(n) for n in range(1, MOST_PATHS + 1)}


def free_number(used: Collection[int], *, spent: Collection[int] = ()) -> int:
    """Return the lowest number of a branch that is not used, and if there is one, not spent."""
    free = [n for n in range(1, MOST_PATHS + 1) if n not in used]
    return next((n for n in free if n not in spent), free[0] if free else EVERYONE_ELSE)


def typed_number(text: object) -> int | None:
    """Return the number of a branch as a form sends it; None if it is none."""
    return int(text) if isinstance(text, str) and text in _NUMBERS else None


def distinct(numbers: Iterable[int | None], *, spent: Collection[int]) -> list[int]:
    """Return the numbers of branches; one that is missing or taken is replaced by a free one."""
    given = list(numbers)
    kept, found = set(filter(None, given)), list[int]()
    for number in given:
        is_new = number is None or number in found
        found.append(free_number({*kept, *found}, spent=spent) if is_new else number or 0)
    return found


def spent(step: Step) -> set[int]:
    """Return the numbers of the branches that people took.

    Another branch with such a number would have their count, and their list.
    """
    return set(step.branch_tallies.values_list("branch", flat=True))


def with_components(step: Step) -> set[int]:
    """Return the numbers of the branches that hold components."""
    children = step.children.filter(removed_at=None).exclude(branch__in=[0, EVERYONE_ELSE])
    return set(children.values_list("branch", flat=True))


def lost(step: Step, branches: Sequence[Branch], numbers: Collection[int]) -> list[Text]:
    """Return the names of branches with components whose number is not among ``numbers``.

    ``branches``: those that the step has now.
    """
    names = {branch.number: branch.label for branch in branches}
    gone = with_components(step) - set(numbers)
    return [names.get(number) or str(number) for number in sorted(gone)]


def lost_words(names: Sequence[Text]) -> str:
    """Return the error about components in branches that are to go."""
    text = gettext("Components are still in the path “%(name)s”. Move or remove them first.")
    return text % {"name": names[0]}
