"""The numbers of a step that count deliveries: by outcome, by reason, and of people who left."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from canvases import analytics, reasons
from canvases.models import Canvas, Step
from canvases.people_lists.number import REMOVED, Number, UnknownNumber
from canvases.reasons import Why
from canvases.steps.base import Text
from partners import sync
from partners.models import Outcome, Sync
from partners.people import counted

SENT: dict[str, Text | Promise] = {
    **{name: analytics.METRICS[name] for name in analytics.SYNC_METRICS},
    "cancelled": _("Cancelled"),
}
REMOVALS = {
    f"{REMOVED}{name}": Outcome.NOT_SYNCED if name == "wanted" else Outcome(name)
    for name in analytics.REMOVED
}


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries a number counts. ``reason``: None for all."""

    syncs: list[int]
    outcome: Outcome
    reason: str | None


def number(step: Step, name: str, reason: str | None, *, is_counted: bool) -> Number:
    """Return a number that counts deliveries. Raise UnknownNumber."""
    if name in SENT:
        chosen = DeliveryFilter(reasons.syncs_of(step, is_removal=False), Outcome(name), reason)
        label = SENT[name]
    elif name in REMOVALS:
        chosen = DeliveryFilter(reasons.syncs_of(step, is_removal=True), REMOVALS[name], reason)
        label = analytics.REMOVED[name.removeprefix(REMOVED)]
    else:
        raise UnknownNumber
    if reason is not None:
        return _of_reason(step, name, chosen, is_counted=is_counted)
    return _number(name, label, _total(step, name) if is_counted else None, chosen)


def of_canvas(canvas: Canvas, name: str, *, is_counted: bool) -> Number:
    """Return the number of a canvas that counts deliveries of all its steps, removed ones, too."""
    # Each Sync is a part of the list: those without such people would only cost queries.
    has_people = {f"tally__{name}__gt": 0}
    syncs = Sync.objects.filter(steps__canvas=canvas, **has_people).order_by("pk").distinct()
    chosen = DeliveryFilter(list(syncs.values_list("pk", flat=True)), Outcome(name), None)
    n = analytics.canvas_numbers([canvas])[canvas.pk][name] if is_counted else None
    return _number(name, SENT[name], n, chosen)


def _total(step: Step, name: str) -> int:
    numbers: analytics.Numbers | analytics.Removed = analytics.step_numbers([step])[step.pk]
    if name in REMOVALS:
        numbers = analytics.removed([step]).get(step.pk, analytics.Removed())
    n: int = getattr(numbers, name.removeprefix(REMOVED))
    return n


def _of_reason(step: Step, name: str, chosen: DeliveryFilter, *, is_counted: bool) -> Number:
    reason, n, n_uncounted = chosen.reason or "", None, 0
    if is_counted:
        counts = sync.reasons(chosen.syncs, outcome=chosen.outcome)
        n, n_uncounted = (
            counts.get(chosen.outcome, {}).get(reason, 0),
            counts.rest.get(chosen.outcome, 0),
        )
    partner, is_removal = reasons.partner_of(step), name.startswith(REMOVED)
    why = Why(chosen.outcome, reason, n or 0, partner, is_removal, n_uncounted)
    return _number(name, why.heading, n, chosen, why)


def _number(
    name: str, label: Text, n: int | None, chosen: DeliveryFilter, why: Why | None = None
) -> Number:
    key = chosen.syncs, chosen.outcome, chosen.reason
    return Number(name, label, n, counted.no_longer_kept(*key), counted.parts(*key), why)
