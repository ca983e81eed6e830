"""The Decision split step: people take "yes" if a condition holds for them, else "no"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.logged_changes import LoggedChange
from audiencesync.people.segments.builder.draft import Draft
from canvases.steps import segments_used
from canvases.steps.base import Branch, StepKind, StepProblem, Text
from canvases.steps.conditions_form import ConditionsForm, draft_of, is_readable, words

if TYPE_CHECKING:
    from canvases.models import Step

YES, NO = 1, 2


class DecisionForm(ConditionsForm):
    """One condition: a saved segment, an attribute, or an event."""

    def stored(self, settings: Mapping[str, Any]) -> list[Draft]:
        """Return the condition."""
        return [draft_of(settings.get("filter") or {})]

    def settings(self) -> dict[str, Any]:
        """Return the filter."""
        return {"filter": self.cleaned_data["filters"][0]}


class DecisionSplit(StepKind):
    """Divide people in two by one condition, as it holds when they come here."""

    key = "decision_split"
    label = _("Decision split")
    help = _("People take “yes” or “no” by one condition: a segment, an attribute or an event.")
    icon = "arrows-split"
    template = "canvases/steps/decision_split.html"
    form = DecisionForm
    is_instant = True
    splits = True

    def summary(self, step: Step) -> Text:
        """Return text such as: Yes: everybody in the segment “VIP”."""
        condition = words(step, step.settings.get("filter") or {}) if step.settings else ""
        return (
            gettext("Yes: %(people)s") % {"people": condition} if condition else _("Not set up yet")
        )

    def problems(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Return a problem if the condition is missing."""
        if self.is_set_up(step):
            return []
        return [StepProblem(_("Choose the condition of this split."), field="kind-0.0")]

    def is_set_up(self, step: Step) -> bool:
        """Return whether the condition is chosen."""
        return is_readable(step.settings.get("filter") or {})

    def branches(self, step: Step) -> Sequence[Branch]:
        """Return yes and no."""
        # Until a condition is chosen, {} stands in its place. No person is compared with it, as
        # a step without a condition blocks a launch.
        condition = step.settings.get("filter") or {}
        return (
            Branch(YES, pgettext_lazy("branch", "Yes"), condition),
            Branch(NO, pgettext_lazy("branch", "No")),
        )

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Return the fields that the condition compares, without its values."""
        return [(_("Condition"), *segments_used.compared_fields(before, after))]

    def on_saved(self, step: Step) -> None:
        """Store which segments the condition names."""
        segments_used.store(step)
