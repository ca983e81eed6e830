"""What a step would mean for one person: the words between the step kinds and the rehearsal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from django.utils.functional import Promise

from audiencesync.people.segments.explain import Part
from partners.forecast import Sending

if TYPE_CHECKING:
    from canvases.models import Step
    from partners.models import Sync


class Person(Protocol):
    """The person who is rehearsed, as a step kind may ask about them."""

    def explain(self, condition: Mapping[str, Any], *, now: datetime) -> Part:
        """Return what is met of a filter of people. Raise FilterError."""
        ...

    def entering(self, sync: Sync) -> Sending:
        """Return what would be sent if the person entered a Sync."""
        ...

    def choice(self, step: Step) -> int | None:
        """Return the branch that the reader follows where it depends on later events."""
        ...


@dataclass(frozen=True, slots=True)
class RehearsedBranch:
    """A branch as one person meets it.

    ``why``: its condition, met or not; None if it has none. ``text``: what must happen for it.
    """

    number: int
    label: str | Promise
    why: Part | None = None
    text: str | Promise = ""
    is_open: bool = False  # what happens later decides


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What happens to one person at a step.

    ``until``: when they go on. ``taken``: the number of the branch; None: they leave.
    ``over``: when a wait for events ends. ``is_early``: they may go on as late as that.
    ``doubt``: why this is not certain. ``sending``: what is sent, for steps that send.
    """

    until: datetime
    taken: int | None = 0
    branches: Sequence[RehearsedBranch] = ()
    over: datetime | None = None
    is_early: bool = False
    doubt: str | Promise = ""
    sending: Sending | None = None
