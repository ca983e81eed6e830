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
# The outcome of a removal that is not sent, as another component wants the people, is NOT_SYNCED.
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
        delivery_filter = DeliveryFilter(
            reasons.syncs_of(step, is_removal=False), Outcome(name), reason
        )
        label = SENT[name]
    elif name in REMOVALS:
        delivery_filter = DeliveryFilter(
            reasons.syncs_of(step, is_removal=True), REMOVALS[name], reason
        )
        label = analytics.REMOVED[name.removeprefix(REMOVED)]
    else:
        raise UnknownNumber
    if reason is not None:
        return _of_reason(step, name, delivery_filter, is_counted=is_counted)
    return _number(name, label, _total(step, name) if is_counted else None, delivery_filter)


def of_canvas(canvas: Canvas, name: str, *, is_counted: bool) -> Number:
    """Return the number of a canvas that counts deliveries of all its steps, removed ones, too."""
    # Each Sync is a part of the list: Syncs without such people would only cost queries.
    has_people = {f"tally__{name}__gt": 0}
    syncs = Sync.objects.filter(steps__canvas=canvas, **has_people).order_by("pk").distinct()
    delivery_filter = DeliveryFilter(list(syncs.values_list("pk", flat=True)), Outcome(name), None)
    n = analytics.canvas_numbers([canvas])[canvas.pk][name] if is_counted else None
    return _number(name, SENT[name], n, delivery_filter)


def _total(step: Step, name: str) -> int:
    numbers: analytics.Numbers | analytics.Removed = analytics.step_numbers([step])[step.pk]
    if name in REMOVALS:
        numbers = analytics.removal_numbers([step]).get(step.pk, analytics.Removed())
    n: int = getattr(numbers, name.removeprefix(REMOVED))
    return n


def _of_reason(
    step: Step, name: str, delivery_filter: DeliveryFilter, *, is_counted: bool
) -> Number:
    reason, n, n_uncounted = delivery_filter.reason or "", None, 0
    if is_counted:
        counts = sync.reasons(delivery_filter.syncs, outcome=delivery_filter.outcome)
        n, n_uncounted = (
            counts.get(delivery_filter.outcome, {}).get(reason, 0),
            counts.uncounted.get(delivery_filter.outcome, 0),
        )
    partner, is_removal = reasons.partner_of(step), name.startswith(REMOVED)
    why = Why(delivery_filter.outcome, reason, n or 0, partner, is_removal, n_uncounted)
    return _number(name, why.heading, n, delivery_filter, why)


def _number(
    name: str, label: Text, n: int | None, delivery_filter: DeliveryFilter, why: Why | None = None
) -> Number:
    key = delivery_filter.syncs, delivery_filter.outcome, delivery_filter.reason
    return Number(name, label, n, counted.n_deleted(*key), counted.parts(*key), why)
