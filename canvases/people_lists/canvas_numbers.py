"""The numbers of a canvas: entries, who is inside, early exits by reason, and its headcounts."""

from __future__ import annotations

from django.db.models import Sum
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.core.lists import Part, Rows
from audiencesync.people.models import Profile
from canvases.entry_card import headcounts
from canvases.models import Canvas, ExitTally, LeftBy, StepTally, Visit
from canvases.people_lists import deliveries, visits
from canvases.people_lists.number import Number, UnknownNumber
from canvases.steps.base import Text
from partners.models import Outcome

ENTERED, INSIDE, THROUGH, LEFT = "entered", "inside", "through", "left"
LABELS: dict[str, Promise] = {
    ENTERED: _("Entered the canvas"),
    INSIDE: _("In the canvas now"),
    THROUGH: _("Went all the way"),
    LEFT: _("Left early"),
}
REASONS = {f"{LEFT}_{reason.value}": reason for reason in LeftBy}


def number(canvas: Canvas, name: str, *, is_counted: bool = True) -> Number:
    """Return a number of a canvas. Raise UnknownNumber."""
    if name == ENTERED:
        return Number(name, LABELS[name], canvas.entered, 0, [Rows(visits.of_canvas(canvas))])
    if name == INSIDE:
        open_visits = visits.of_canvas(canvas).filter(left_at=None)
        return Number(name, LABELS[name], _n_inside(canvas), 0, [Rows(open_visits)])
    if name == THROUGH:
        n = canvas.entered - _n_inside(canvas) - _n_early(canvas)
        ended = visits.of_canvas(canvas).filter(left_at__isnull=False, left_by=None)
        return Number(name, LABELS[name], n, 0, [Rows(ended)])
    if name == LEFT:
        by_reason = [_left_part(canvas, reason) for reason in LeftBy]
        return Number(name, LABELS[name], _n_early(canvas), 0, by_reason)
    if name in REASONS:
        reason = REASONS[name]
        return Number(
            name, reason.label, _n_early(canvas, left_by=reason), 0, [_left_part(canvas, reason)]
        )
    if name in headcounts.LABELS:
        return _headcount(canvas, name, headcounts.LABELS[name], is_counted=is_counted)
    if name in (Outcome.PENDING, Outcome.ERRORED):
        return deliveries.of_canvas(canvas, name, is_counted=is_counted)
    raise UnknownNumber


def _n_inside(canvas: Canvas) -> int:
    tallies = StepTally.objects.filter(step__canvas=canvas)
    return tallies.aggregate(n=Sum("waiting"))["n"] or 0


def _left_part(canvas: Canvas, reason: LeftBy) -> Part:
    return Rows(Visit.objects.filter(canvas=canvas, left_by=reason))


def _n_early(canvas: Canvas, *, left_by: str | None = None) -> int:
    tallies = ExitTally.objects.filter(canvas=canvas)
    if left_by is not None:
        tallies = tallies.filter(reason=left_by)
    return tallies.aggregate(n=Sum("n"))["n"] or 0


def _headcount(canvas: Canvas, name: str, label: Text, *, is_counted: bool) -> Number:
    """Return a headcount of a canvas that is kept up to date; of another canvas, 0."""
    subscription = headcounts.live_subscription(canvas)
    if subscription is None:
        return Number(name, label, 0, 0, [Rows(Profile.objects.none(), person="pk")])
    profiles = headcounts.people(canvas, subscription, name)
    n = profiles.count() if is_counted else None
    if name == headcounts.UNSENT:
        profiles = headcounts.with_reason(profiles, subscription)
    return Number(name, label, n, 0, [Rows(profiles, person="pk")])
