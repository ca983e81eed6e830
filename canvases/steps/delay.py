"""The Delay step: visits wait for a number of seconds, minutes, hours or days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from audiencesync.groups.logged_changes import LoggedChange
from canvases.steps.base import StepForm, StepKind, StepProblem, Text

if TYPE_CHECKING:
    from canvases.models import Step

SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
LONGEST = timedelta(days=730)
UNITS = [
    ("seconds", _("seconds")),
    ("minutes", _("minutes")),
    ("hours", _("hours")),
    ("days", _("days")),
]
FIRST: dict[str, Any] = {"amount": 1, "unit": "days"}


class DelayForm(StepForm):
    """A number and its unit."""

    amount = forms.IntegerField(label=_("How long"), min_value=1, max_value=63_072_000)
    unit = forms.ChoiceField(label=_("Unit"), choices=UNITS)

    def clean(self) -> dict[str, Any]:
        """Refuse a delay of more than two years."""
        cleaned = super().clean() or {}
        if {"amount", "unit"} <= cleaned.keys() and length(cleaned) > LONGEST:
            self.add_error(
                "amount",
                ValidationError(
                    ngettext_lazy(
                        "Nobody can wait longer than %(n)d day.",
                        "Nobody can wait longer than %(n)d days.",
                        "n",
                    )
                    % {"n": LONGEST.days}
                ),
            )
        return cleaned


def length(settings: dict[str, Any]) -> timedelta:
    """Return the length of the delay that ``settings`` describe."""
    settings = settings or FIRST
    return timedelta(seconds=settings["amount"] * SECONDS[settings["unit"]])


def duration(settings: dict[str, Any]) -> Text:
    """Return such as "10 minutes"."""
    n, words = settings["amount"], {"n": number_format(settings["amount"])}
    match settings["unit"]:
        case "seconds":
            return ngettext("%(n)s second", "%(n)s seconds", n) % words
        case "minutes":
            return ngettext("%(n)s minute", "%(n)s minutes", n) % words
        case "hours":
            return ngettext("%(n)s hour", "%(n)s hours", n) % words
        case _:
            return ngettext("%(n)s day", "%(n)s days", n) % words


class Delay(StepKind):
    """Hold each visit for a while. A changed delay applies to visits that arrive afterwards."""

    key = "delay"
    label = _("Delay")
    help = _("People wait here before they go on.")
    icon = "hourglass"
    template = "canvases/steps/delay.html"
    form = DelayForm

    def summary(self, step: Step) -> Text:
        """Return such as "Wait 10 minutes"."""
        settings = step.settings or FIRST
        n, words = settings["amount"], {"n": number_format(settings["amount"])}
        match settings["unit"]:
            case "seconds":
                return ngettext("Wait %(n)s second", "Wait %(n)s seconds", n) % words
            case "minutes":
                return ngettext("Wait %(n)s minute", "Wait %(n)s minutes", n) % words
            case "hours":
                return ngettext("Wait %(n)s hour", "Wait %(n)s hours", n) % words
            case _:
                return ngettext("Wait %(n)s day", "Wait %(n)s days", n) % words

    def warnings(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Warn of a delay that is the last step: it has no effect."""
        if step.children.filter(removed_at=None).exists():
            return []
        return [
            StepProblem(
                _("Nothing comes after this delay: people only wait and leave."),
                blocks_launch=False,
            )
        ]

    def first_settings(self) -> dict[str, Any]:
        """Return a delay of one day."""
        return dict(FIRST)

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Return the length and its unit."""
        units = dict(UNITS)
        return [
            (_("How long"), before.get("amount"), after.get("amount")),
            (_("Unit"), units.get(before.get("unit", "")), units.get(after.get("unit", ""))),
        ]

    def due_on_arrival(self, step: Step, *, now: datetime) -> datetime:
        """Return when the delay ends."""
        return now + length(step.settings)
