"""The contract of a step kind: its form, its texts, and what it does with the visits at a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.logged_changes import LoggedChange
from canvases.models import DESCRIPTION_LENGTH, NAME_LENGTH
from canvases.steps.rehearsal import Person, Rehearsed, RehearsedBranch
from partners.base import Partner

if TYPE_CHECKING:
    from audiencesync.people.models import Profile
    from canvases.models import Canvas, Step, Visit

Text = str | Promise


@dataclass(frozen=True, slots=True)
class StepProblem:
    """A problem that a marketer must or should fix.

    ``field``: the form field that fixes it. ``url``: the page that fixes it, if it is not the
    step's own. ``short``: only what to do, for a card. ``is_passing``: it ends by itself.
    ``button``: the label of the link to ``url``, which names the place.
    """

    text: Text
    blocks_launch: bool = True
    field: str = ""
    url: str = ""
    short: Text = ""
    is_passing: bool = False
    button: Text = _("Go there")


@dataclass(frozen=True, slots=True)
class Branch:
    """A way out of a step. People take the first branch whose condition holds for them.

    ``number``: ``Step.branch`` of its first step; 0 is the way of steps that do not split.
    ``condition``: a filter of people (a mapping) or a condition on visits (a Q); None: everybody
    who is left.
    """

    number: int = 0
    label: Text = ""
    condition: Mapping[str, Any] | Q | None = None


EVERYBODY = (Branch(),)  # the branches of a step that does not split


NAME_FIELDS = {"step_name": "name", "step_description": "description"}  # field -> column


class StepForm(forms.Form):
    """The editor form of a step: ``form(data_or_None, step=step, initial=step.settings)``."""

    step_name = forms.CharField(
        label=_("Name"),
        max_length=NAME_LENGTH,
        required=False,
        help_text=_("Optional. Without a name, what the component does is shown."),
    )
    step_description = forms.CharField(
        label=_("Description"),
        max_length=DESCRIPTION_LENGTH,
        required=False,
        widget=forms.Textarea({"rows": 2}),
    )

    def __init__(self, *args: Any, step: Step, **kwargs: Any) -> None:
        self.step = step
        super().__init__(*args, **kwargs)
        self.fields["step_name"].initial = step.name
        self.fields["step_description"].initial = step.description

    def keep_names(self, data: Mapping[str, object]) -> None:
        """Show name and description as they were typed, in a form that is not saved yet."""
        typed = {field: data[field] for field in NAME_FIELDS if field in data}
        self.initial = {**self.initial, **typed}

    def names(self) -> dict[str, str]:
        """Return column -> text, for name and description if sent. Only for valid forms."""
        sent = {field: column for field, column in NAME_FIELDS.items() if field in self.data}
        return {column: self.cleaned_data[field] for field, column in sent.items()}

    @property
    def is_named(self) -> bool:
        """Return whether name or description is filled in or has an error."""
        return any(self[field].value() or self[field].errors for field in NAME_FIELDS)

    @classmethod
    def from_button(cls, data: Mapping[str, object], *, step: Step) -> StepForm | None:
        """Return the form with typed values if a button inside it was pressed; None for Save."""
        return None

    def settings(self) -> dict[str, Any]:
        """Return the JSON to store in ``Step.settings``. Only for valid forms."""
        return {key: value for key, value in self.cleaned_data.items() if key not in NAME_FIELDS}


class StepKind:
    """Base of a step kind: a module in canvases/steps/, a template, a line in KINDS.

    The attributes without a value and `summary` are required. The rest describes a step that needs
    no settings, has no problems and lets visits go on at once.
    """

    key: str  # stored in Step.kind
    label: Text
    help: Text
    icon: str  # a symbol of static/icons.svg
    template: str  # the fields and the save button of the editor
    form: type[StepForm] = StepForm
    sends: bool = False  # whether people are synced to a partner: the card shows all seven metrics
    is_instant: bool = False  # whether the step neither holds people nor does anything with them
    splits: bool = False  # whether `branches` has other numbers than 0

    @property
    def holds(self) -> bool:
        """Return whether people wait at steps of this kind."""
        return type(self).due_on_arrival is not StepKind.due_on_arrival

    def summary(self, step: Step) -> Text:
        """Return one line for the card."""
        raise NotImplementedError

    def line(self, step: Step) -> Text:
        """Return one line for a list: the name, or what the step does."""
        return step.name or self.summary(step)

    def title(self, step: Step) -> Text:
        """Return the heading of a step: its name, or its kind."""
        return step.name or self.label

    def icon_of(self, step: Step) -> str:
        """Return the icon of a step's card."""
        return self.icon

    def partners_of(self, step: Step) -> Sequence[Partner]:
        """Return the partner that the step sends people to; while none is chosen, all partners."""
        return []

    def problems(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Return what is missing or broken now. Computed for every page view, never stored."""
        return []

    def is_set_up(self, step: Step) -> bool:
        """Return whether all required settings are chosen; if not, the card says so."""
        return True

    def warnings(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Return possible mistakes, for the launch checklist only, as this may count profiles."""
        return []

    def forecast(self, step: Step, people: QuerySet[Profile]) -> Text:
        """Return what the step would do with these profiles today; empty if it sends nothing."""
        return ""

    def first_settings(self) -> dict[str, Any]:
        """Return the settings of a new step."""
        return {}

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Return each setting with its old and new value in words, for the activity log."""
        return []

    def on_saved(self, step: Step) -> None:
        """Act on new settings, in the transaction that stored them."""

    def on_copied(self, steps: Sequence[Step]) -> None:
        """Act on all steps of this kind in a duplicated canvas, in its transaction.

        There is one call for all of them, so the number of queries can be constant.
        """

    def on_launched(self, canvas: Canvas) -> None:
        """Act on a launch, in its transaction. Called once per kind and canvas."""

    def on_stopped(self, canvas: Canvas) -> None:
        """Act on a stop, in its transaction. Called once per kind and canvas."""

    def due_on_arrival(self, step: Step, *, now: datetime) -> datetime:
        """Return when a visit that arrives at ``now`` is due: passed to `act`, then moved on."""
        return now

    def branches(self, step: Step) -> Sequence[Branch]:
        """Return the branches, in the order in which their conditions are tried.

        If there are none, all people leave. The last branch has no condition. Run no query: a page
        asks for the branches of every step.
        """
        return EVERYBODY

    def did_recently(self, step: Step, *, now: datetime) -> Mapping[int, Q | None]:
        """Return branch -> condition on profiles, for kinds whose branches are chosen by events.

        The condition matches the people who did the event within the length of the wait before
        ``now``; it is None if this cannot be known. Other kinds return an empty mapping.
        """
        return {}

    def act(self, step: Step, visits: QuerySet[Visit], *, now: datetime) -> None:
        """Do the work of the step for at most 10,000 due visits, in the engine's transaction.

        Make no HTTP request here, as the canvas is locked. ``visits`` is a condition, not a list of
        ids: read it with one query or pass it on as a subquery.
        """

    def rehearse(self, step: Step, person: Person, *, now: datetime) -> Rehearsed:
        """Return what would happen to one person who came here at ``now``. Only reads.

        Kinds that only wait, or divide people by filters, need not override it. Raise FilterError.
        """
        until, branches = self.due_on_arrival(step, now=now), self.branches(step)
        if not self.splits:
            return Rehearsed(until, taken=branches[-1].number if branches else None)
        if not self.is_set_up(step):
            doubt = _("Not set up yet: the rehearsal goes on with everybody else.")
            return Rehearsed(until, branches[-1].number, doubt=doubt)
        rehearsed = [
            RehearsedBranch(
                branch.number, branch.label, person.explain(branch.condition, now=until)
            )
            if isinstance(branch.condition, Mapping)
            else RehearsedBranch(branch.number, branch.label)
            for branch in branches
        ]
        taken = next(
            branch.number for branch in rehearsed if branch.why is None or branch.why.is_met
        )
        return Rehearsed(until, taken, rehearsed)
