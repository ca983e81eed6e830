"""The numbers of a step, each defined once: its name in the address, its words, what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.core.lists import Part, Rows
from canvases import analytics, reasons
from canvases.models import Step, Visit
from canvases.reasons import Why
from canvases.steps.base import Text
from partners import behind
from partners.models import Outcome

REMOVED = "removed_"  # begins the numbers of people who left
# The numbers of a Sync: those whose deliveries have an outcome.
OUTCOMES = (
    Outcome.SYNCED,
    Outcome.NOT_SYNCED,
    Outcome.PENDING,
    Outcome.ERRORED,
    Outcome.CANCELLED,
)
REMOVALS = {
    f"{REMOVED}{name}": Outcome.NOT_SYNCED if name == "wanted" else Outcome(name)
    for name in analytics.REMOVED
}
NAMES = {*OUTCOMES, *REMOVALS, "waiting"}
LABELS: dict[str, Promise] = {
    **analytics.METRICS,
    "cancelled": _("Cancelled"),
    "waiting": _("Waiting here"),
}


class UnknownNumber(Exception):
    """There is no number of this name, or it has no reasons."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number and the people behind it. ``gone``: how many of them are no longer kept."""

    name: str
    label: Text
    n: int
    gone: int
    parts: Sequence[Part]
    why: Why | None = None  # if only the people of one reason are counted
    has_deliveries: bool = True

    @property
    def reason(self) -> str | None:
        """Return the code of the reason; None if people of all reasons are counted."""
        return self.why.reason if self.why else None


def of_step(step: Step, name: str, reason: str | None = None, *, is_counted: bool = True) -> Number:
    """Return a number of a step. ``reason``: only the people of this reason or code.

    Without ``is_counted`` the number itself is 0. Raise UnknownNumber.
    """
    if name in OUTCOMES:
        return _sent(step, name, reason, is_counted=is_counted)
    if name in REMOVALS:
        return _removed(step, name, reason, is_counted=is_counted)
    if name == "waiting" and reason is None:
        visits = Visit.objects.filter(step=step, left_at=None)
        n = analytics.step_numbers([step])[step.pk].waiting
        return Number(name, LABELS[name], n, 0, [Rows(visits)], has_deliveries=False)
    raise UnknownNumber


def _sent(step: Step, name: str, reason: str | None, *, is_counted: bool) -> Number:
    """Return a number of the Syncs of a step."""
    syncs, outcome = reasons.syncs_of(step, is_removal=False), Outcome(name)
    if reason is not None:
        return _of_reason(step, name, Asked(syncs, outcome, reason), is_counted=is_counted)
    n = getattr(analytics.step_numbers([step])[step.pk], name)
    return _number(name, LABELS[name], n, Asked(syncs, outcome, None))


def _removed(step: Step, name: str, reason: str | None, *, is_counted: bool) -> Number:
    """Return a number of the Syncs that remove people again who left."""
    syncs, part = reasons.syncs_of(step, is_removal=True), name.removeprefix(REMOVED)
    outcome = REMOVALS[name]
    if reason is not None:
        return _of_reason(step, name, Asked(syncs, outcome, reason), is_counted=is_counted)
    found = analytics.removed([step]).get(step.pk, analytics.Removed())
    n: int = getattr(found, part)
    return _number(name, analytics.REMOVED[part], n, Asked(syncs, outcome, None))


@dataclass(frozen=True, slots=True)
class Asked:
    """Which deliveries are asked for. ``reason``: None for all."""

    syncs: list[int]
    outcome: Outcome
    reason: str | None


def _of_reason(step: Step, name: str, asked: Asked, *, is_counted: bool) -> Number:
    key = asked.syncs, asked.outcome, asked.reason or ""
    n = behind.no_longer_kept(*key) + behind.kept(*key) if is_counted else 0
    partner, is_removal = reasons.partner_of(step), name.startswith(REMOVED)
    why = Why(asked.outcome, asked.reason or "", n, partner, is_removal)
    return _number(name, why.heading, n, asked, why)


def _number(name: str, label: Text, n: int, asked: Asked, why: Why | None = None) -> Number:
    key = asked.syncs, asked.outcome, asked.reason
    return Number(name, label, n, behind.no_longer_kept(*key), behind.parts(*key), why)
