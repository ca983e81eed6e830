"""Who would come to one step, and what would become of them there, if people entered now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from audiencesync.people.masking import LABELS
from audiencesync.people.models import KINDS as IDENTIFIERS
from audiencesync.people.models import Profile
from canvases import engine, reasons
from canvases.models import Canvas, Step
from canvases.prospects.walk import Crowd, Walk, branch_column, branches, splits_by_profile
from canvases.steps import KINDS
from canvases.steps.base import Text
from canvases.steps.numbered import EVERYONE_ELSE
from partners import audiences
from partners.base import Partner
from partners.forecast import SENT, Forecast, first_people, forecast
from partners.models import Action

ALL, HERE = "all", "here"
MOST_SHOWN = 10
BRANCH = "branch-"


@dataclass(frozen=True, slots=True)
class Number:
    """Some ``of`` the people. ``key`` names their list; ``n`` is None if it cannot be known."""

    key: str
    label: Text
    n: int | None
    of: int

    @property
    def share(self) -> float | None:
        """Return per cent of the people it is a part of."""
        return 100 * self.n / self.of if self.n is not None and self.of else None

    @property
    def width(self) -> str:
        """Return the share for SVG."""
        return f"{self.share or 0:.1f}%"


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of ``entering`` people, ``here`` come to the step.

    ``branches``: of a split, those who take each way; of a step where people wait for something,
    those who did it in a time as long as the wait.
    ``identifiers``: of those sent, with which; ``held``: those not sent, and why.
    """

    entering: Number
    here: Number
    crowd: Crowd
    branches: list[Number] = field(default_factory=list)
    is_lately: bool = False
    sent: Number | None = None
    identifiers: list[Number] = field(default_factory=list)
    held: list[Number] = field(default_factory=list)
    reach: Reach | None = None

    @property
    def n_held(self) -> int:
        """Return how many people are not sent."""
        return sum(one.n or 0 for one in self.held)


@dataclass(frozen=True, slots=True)
class Reach:
    """The people sent beside those that a partner needs to serve ads to an audience."""

    partner: Partner
    sent: int
    size: int  # of the audience now
    is_removal: bool

    @property
    def min(self) -> int:
        """Return how many matched people the partner needs."""
        return self.partner.smallest_audience

    @property
    def is_enough(self) -> bool:
        """Return whether the audience can reach the size that the partner needs."""
        after = self.size - self.sent if self.is_removal else self.size + self.sent
        return after >= self.min


class Place:
    """A step of a canvas, and the people who would come to it. Some queries, none of them a count.

    ``is_launch``: people of a launch enter; else everybody who fits the entry, also those who have
    been in the canvas. Raise FilterError if a condition on the way cannot be read.
    """

    def __init__(self, canvas: Canvas, steps: Sequence[Step], step: Step, *, now: datetime) -> None:
        self.step, self.now = step, now
        self.is_launch = canvas.is_idle and canvas.enters_in_crowds
        if self.is_launch:
            entering = engine.would_enter(canvas, engine.entry_candidates(canvas, now=now), now=now)
        else:
            entering = engine.eligible_people(canvas, now=now)
        self.walk = Walk(steps, entering, now=now)
        self.people = self.walk.people_at(step)

    def outlook(self) -> Outlook:
        """Count the people: two queries, whatever the flow holds."""
        crowd = self.walk.crowds.get(self.step.pk, Crowd())
        ways = self._ways()
        taken_by = {f"way_{number}": taken for number, _label, taken in ways if taken}
        found = self.walk.people.aggregate(
            total=Count("pk"),
            here=Count("pk", filter=Q(*crowd.who)) if crowd.who else Count("pk"),
            **{name: Count("pk", filter=Q(*crowd.who) & taken) for name, taken in taken_by.items()},
        )
        here = found["here"]
        split = [
            Number(f"{BRANCH}{number}", label, found.get(f"way_{number}"), here)
            for number, label, _taken in ways
        ]
        total = found["total"]
        outlook = Outlook(
            Number(ALL, "", total, total),
            Number(HERE, "", here, total),
            crowd,
            split,
            is_lately=bool(split) and not splits_by_profile(self.step),
        )
        return self._sending(outlook) if self.step.sync else outlook

    def first_people(self, key: str) -> list[Profile]:
        """Return ten people behind a number; none for an unknown key."""
        if key in (ALL, HERE):
            return _first(self.people if key == HERE else self.walk.people)
        if key.startswith(BRANCH):
            taken = {f"{BRANCH}{number}": q for number, _label, q in self._ways()}.get(key)
            return _first(self.people.filter(taken)) if taken else []
        if self.step.sync is None:
            return []
        return first_people(self.people, self.step.sync, key, most=MOST_SHOWN)

    def _ways(self) -> list[tuple[int, Text, Q | None]]:
        """Return number, label and condition of each branch; None if it cannot be known."""
        step, kind = self.step, KINDS[self.step.kind]
        if not kind.splits:
            return []
        if splits_by_profile(step):
            return [
                (one.number, one.label, Q((branch_column(step), one.number)))
                for one in branches(step)
            ]
        did = kind.lately(step, now=self.now)
        known = [one for one in did.values() if one is not None]
        anything = Q()
        for one in known:
            anything |= one
        is_known = len(known) == len(did) and bool(known)
        rest = {EVERYONE_ELSE: ~anything if is_known else None}
        return [(one.number, one.label, {**did, **rest}.get(one.number)) for one in branches(step)]

    def _sending(self, outlook: Outlook) -> Outlook:
        sync, of = self.step.sync, outlook.here.n or 0
        assert sync is not None
        found: Forecast = forecast(self.people, sync)
        partner = audiences.partner_of(sync.audience.ad_account)
        is_removal = sync.action == Action.REMOVE
        kinds = [one for one in IDENTIFIERS if one in sync.kinds]
        held = sorted(found.held.items(), key=lambda one: -one[1])
        parts: dict[str, Any] = {
            "sent": Number(SENT, "", found.sent, of),
            "identifiers": [Number(one, LABELS[one], found.by_kind[one], of) for one in kinds],
            "held": [Number(key, reasons.reason_text(key, partner), n, of) for key, n in held],
            "reach": Reach(partner, found.sent, sync.audience.size or 0, is_removal),
        }
        return replace(outlook, **parts)


def _first(people: QuerySet[Profile]) -> list[Profile]:
    return list(people.order_by("pk")[:MOST_SHOWN])
