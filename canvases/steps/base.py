"""What every kind of step offers: its form, its summary, its problems, and what it does with a crowd of visits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from django import forms
from django.db.models import QuerySet
from django.utils.functional import Promise

from audiencesync.groups.logged_changes import LoggedChange

if TYPE_CHECKING:
    from audiencesync.people.models import Profile
    from canvases.models import Canvas, Step, Visit

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a marketer must or should mend. ``field`` names the form field that mends it, if one does.

    ``short``: only what to do, for a card. ``is_passing``: it mends itself.
    """

    text: Text
    blocks_launch: bool = True
    field: str = ""
    url: str = ""
    short: Text = ""
    is_passing: bool = False


class StepForm(forms.Form):
    """The editor of one step. Built as ``form(data_or_None, step=step, initial=step.settings)``; a kind subclasses it."""

    def __init__(self, *args: Any, step: Step, **kwargs: Any) -> None:
        self.step = step
        super().__init__(*args, **kwargs)

    def settings(self) -> dict[str, Any]:
        """The JSON that ``Step.settings`` becomes; valid forms only."""
        return dict(self.cleaned_data)


class Kind(Protocol):
    """One module in canvases/steps/, one line in KINDS."""

    key: str
    label: Text
    help: Text
    icon: str
    template: str  # of the editor
    sends: bool  # whether people are synced to a partner here: the card shows all seven metrics
    form: type[StepForm]

    def summary(self, step: Step) -> Text:
        """One line for the card."""

    def problems(self, step: Step, *, now: datetime) -> Sequence[Problem]:
        """What is missing or broken right now; computed, never stored."""

    def warnings(self, step: Step, *, now: datetime) -> Sequence[Problem]:
        """What deserves a second look before a launch; may count people, so only the checklist and the editor ask."""

    def foretell(self, step: Step, people: QuerySet[Profile]) -> Text:
        """What would become of these people if they came to the step now; empty if nothing can be said."""

    def first_settings(self) -> dict[str, Any]:
        """What a step has before anybody edited it."""

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Name each setting with its old and its new value in words, for the activity log."""

    def saved(self, step: Step) -> None:
        """After the settings were stored, in the same transaction (the Audience Sync step makes its Sync here)."""

    def launched(self, canvas: Canvas) -> None:
        """The canvas goes live, in the same transaction: let flow what waited."""

    def stopped(self, canvas: Canvas) -> None:
        """The canvas was stopped, in the same transaction: hold back what should not happen any more."""

    def due_on_arrival(self, step: Step, *, now: datetime) -> datetime:
        """When somebody who arrives now wants to be asked (Delay: later; others: now)."""

    def act(self, step: Step, crowd: QuerySet[Visit], *, now: datetime) -> None:
        """Do the step's work with a crowd (at most 10,000 due visits), inside the engine's transaction."""
