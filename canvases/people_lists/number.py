"""What a number is: its name in the address, its words, and the rows that it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audiencesync.core.lists import Part
from canvases.reasons import Why
from canvases.steps.base import Text
from partners.models import Outcome


class UnknownNumber(Exception):
    """There is no number of this name, or it has no reasons."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number and the people behind it.

    ``n``: how many; None if it is not counted. ``gone``: how many of these people have no rows
    any more; the others are the rows of ``parts``. If there are too many people to count by
    reason, ``n`` is a lower limit (Why.is_at_least).
    """

    name: str
    label: Text
    n: int | None
    gone: int
    parts: Sequence[Part]
    why: Why | None = None  # if only the people of one reason are counted
    request: str | None = None  # the key of the request, if only its people are counted

    @property
    def reason(self) -> str | None:
        """Return the code of the reason; None if people of all reasons are counted."""
        return self.why.reason if self.why else None

    @property
    def reason_param(self) -> str | None:
        """Return the value of ``?reason=``: a code or the key of a request; None for all people."""
        return self.request or self.reason

    @property
    def is_removal(self) -> bool:
        """Return whether it counts removals of people who left."""
        return self.name.startswith(REMOVED)

    @property
    def is_errored(self) -> bool:
        """Return whether it counts people, or removals, that are errored."""
        return self.name.removeprefix(REMOVED) == Outcome.ERRORED


REMOVED = "removed_"  # prefix of the names of numbers of people who left
