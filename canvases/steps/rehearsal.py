"""What a step would do with one person: the types that step kinds and the rehearsal share."""

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
    """What a step kind may ask about the person of a rehearsal."""

    def explain(self, condition: Mapping[str, Any], *, now: datetime) -> Part:
        """Return which parts of a filter of people this person meets. Raise FilterError."""
        ...

    def entering(self, sync: Sync) -> Sending:
        """Return what would be sent if the person entered a Sync."""
        ...

    def choice(self, step: Step) -> int | None:
        """Return the branch that was chosen on the page, where later events decide."""
        ...


@dataclass(frozen=True, slots=True)
class RehearsedBranch:
    """A branch of a split in the rehearsal of one person.

    ``why``: its condition, met or not; None if it has none. ``text``: what must happen for it.
    """

    number: int
    label: str | Promise
    why: Part | None = None
    text: str | Promise = ""
    is_undecided: bool = False  # events that may still happen decide


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What happens to one person at a step.

    ``until``: when they go on. ``taken``: the number of the branch; None: they leave the canvas.
    ``wait_ends_at``: when a wait for events ends. ``is_early``: ``until`` is the earliest time,
    ``wait_ends_at`` the latest. ``doubt``: why this is not certain. ``sending``: what is sent, for
    steps that send.
    """

    until: datetime
    taken: int | None = 0
    branches: Sequence[RehearsedBranch] = ()
    wait_ends_at: datetime | None = None
    is_early: bool = False
    doubt: str | Promise = ""
    sending: Sending | None = None
