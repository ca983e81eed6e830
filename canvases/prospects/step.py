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
from canvases.prospects.walk import Arrivals, Walk, branch_column, branches, splits_by_profile
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
    """``n`` people out of ``of``. ``key`` names their list; ``n`` is None if it cannot be known."""

    key: str
    label: Text
    n: int | None
    of: int

    @property
    def share(self) -> float | None:
        """Return ``n`` as a percentage of ``of``; None if it is not known."""
        return 100 * self.n / self.of if self.n is not None and self.of else None

    @property
    def width(self) -> str:
        """Return the share for SVG."""
        return f"{self.share or 0:.1f}%"


@dataclass(frozen=True, slots=True)
class Outlook:
    """Of ``entering`` people, ``here`` come to the step.

    ``branches``: of a split by conditions, the people who take each branch. Where events choose
    the branch (``is_by_event``), those who did the event in a time before now that is as long as
    the wait.
    ``identifiers``: how many are sent with each; ``not_sent``: how many are not, for each reason.
    """

    entering: Number
    here: Number
    arrivals: Arrivals
    branches: list[Number] = field(default_factory=list)
    is_by_event: bool = False
    sent: Number | None = None
    identifiers: list[Number] = field(default_factory=list)
    not_sent: list[Number] = field(default_factory=list)
    reach: Reach | None = None

    @property
    def n_not_sent(self) -> int:
        """Return how many people are not sent."""
        return sum(number.n or 0 for number in self.not_sent)


@dataclass(frozen=True, slots=True)
class Reach:
    """How many people are sent, compared with how many a partner needs to serve ads."""

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


class StepForecast:
    """A step of a canvas, and the people who would come to it. The constructor does not count them.

    ``is_launch``: the people are those who would enter at a launch; otherwise all who fit the
    entry, including people who have been in the canvas. Raise FilterError if a condition before the
    step cannot be read.
    """

    def __init__(self, canvas: Canvas, steps: Sequence[Step], step: Step, *, now: datetime) -> None:
        self.step, self.now = step, now
        self.is_launch = canvas.is_idle and canvas.enters_in_crowds
        if self.is_launch:
            people = engine.would_enter(canvas, engine.entry_candidates(canvas, now=now), now=now)
        else:
            people = engine.eligible_people(canvas, now=now)
        self.walk = Walk(steps, people, now=now)
        self.people = self.walk.people_at(step)

    def outlook(self) -> Outlook:
        """Count the people, in two queries for any flow."""
        arrivals = self.walk.arrivals_at.get(self.step.pk, Arrivals())
        branch_rows = self._branch_rows()
        condition_of = {f"way_{number}": q for number, _label, q in branch_rows if q}
        here_q = Q(*arrivals.conditions)
        counts = self.walk.people.aggregate(
            total=Count("pk"),
            here=Count("pk", filter=here_q) if here_q else Count("pk"),
            **{name: Count("pk", filter=here_q & q) for name, q in condition_of.items()},
        )
        here = counts["here"]
        branch_numbers = [
            Number(f"{BRANCH}{number}", label, counts.get(f"way_{number}"), here)
            for number, label, _q in branch_rows
        ]
        total = counts["total"]
        outlook = Outlook(
            Number(ALL, "", total, total),
            Number(HERE, "", here, total),
            arrivals,
            branch_numbers,
            is_by_event=bool(branch_numbers) and not splits_by_profile(self.step),
        )
        return self._with_sending(outlook) if self.step.sync else outlook

    def first_people(self, key: str) -> list[Profile]:
        """Return up to ten of the people whom a number counts; none for an unknown key."""
        if key in (ALL, HERE):
            return _first_people(self.people if key == HERE else self.walk.people)
        if key.startswith(BRANCH):
            q_of = {f"{BRANCH}{number}": q for number, _label, q in self._branch_rows()}
            takes_branch = q_of.get(key)
            return _first_people(self.people.filter(takes_branch)) if takes_branch else []
        if self.step.sync is None:
            return []
        return first_people(self.people, self.step.sync, key, limit=MOST_SHOWN)

    def _branch_rows(self) -> list[tuple[int, Text, Q | None]]:
        """Return (number, label, condition) of each branch; the condition is None if not known."""
        step, kind = self.step, KINDS[self.step.kind]
        if not kind.splits:
            return []
        if splits_by_profile(step):
            return [
                (branch.number, branch.label, Q((branch_column(step), branch.number)))
                for branch in branches(step)
            ]
        recent_q_of = kind.did_recently(step, now=self.now)
        known = [condition for condition in recent_q_of.values() if condition is not None]
        any_event = Q()
        for condition in known:
            any_event |= condition
        are_all_known = len(known) == len(recent_q_of) and bool(known)
        condition_of = {**recent_q_of, EVERYONE_ELSE: ~any_event if are_all_known else None}
        return [
            (branch.number, branch.label, condition_of.get(branch.number))
            for branch in branches(step)
        ]

    def _with_sending(self, outlook: Outlook) -> Outlook:
        sync, n_here = self.step.sync, outlook.here.n or 0
        assert sync is not None
        forecasted: Forecast = forecast(self.people, sync)
        partner = audiences.partner_of(sync.audience.ad_account)
        is_removal = sync.action == Action.REMOVE
        kinds = [kind for kind in IDENTIFIERS if kind in sync.kinds]
        not_sent_counts = sorted(forecasted.not_sent.items(), key=lambda item: -item[1])
        parts: dict[str, Any] = {
            "sent": Number(SENT, "", forecasted.sent, n_here),
            "identifiers": [
                Number(kind, LABELS[kind], forecasted.by_kind[kind], n_here) for kind in kinds
            ],
            "not_sent": [
                Number(key, reasons.reason_text(key, partner), n, n_here)
                for key, n in not_sent_counts
            ],
            "reach": Reach(partner, forecasted.sent, sync.audience.size or 0, is_removal),
        }
        return replace(outlook, **parts)


def _first_people(people: QuerySet[Profile]) -> list[Profile]:
    return list(people.order_by("pk")[:MOST_SHOWN])
