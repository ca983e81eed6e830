"""The Wait until step: people wait for an event or a segment, or until the time is over."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from audiencesync.core.web import sent_numbers
from audiencesync.groups.logged_changes import LoggedChange
from audiencesync.people.models import Event
from audiencesync.people.segments import filters
from canvases.entry_card import conditions
from canvases.entry_card.typed_rows import typed_rows
from canvases.steps import segments_used, waited_for
from canvases.steps.base import Branch, StepForm, StepKind, StepProblem, Text
from canvases.steps.conditions_form import rows_of, segments_of
from canvases.steps.delay import DEFAULT_WAIT, Delay, DurationForm, duration, length
from canvases.steps.numbered import (
    EVERYONE_ELSE,
    MAX_NAME_LENGTH,
    MAX_PATHS,
    distinct_numbers,
    free_number,
    lost_error,
    lost_names,
    numbers_with_components,
    spent_numbers,
    typed_number,
)
from canvases.steps.rehearsal import Person, Rehearsed, RehearsedBranch

if TYPE_CHECKING:
    from canvases.models import Step

WAIT_KINDS: list[tuple[str, Text]] = [
    ("event", _("Event")),
    ("purchase", _("Purchase")),
    ("segment", _("Joins a segment")),
]
CHOOSES: list[tuple[str, Text]] = [
    ("first", _("The first one decides, and people go on at once")),
    (
        "ranked",
        _("The most important decides: people wait until the topmost happens or the time is over"),
    ),
]
# Buttons that draw the form again and save nothing.
DRAW_BUTTONS = frozenset({"add", "remove", "up", "add_condition"})


def events_of(step: Step) -> Sequence[Mapping[str, Any]]:
    """Return a row for each branch: its number and label, kind, name, where, segment (its API id).

    The topmost comes first.
    """
    return rows_of(step.settings, "events")


def is_ranked(step: Step) -> bool:
    """Return whether the topmost of the events that happen decides, not the first in time."""
    return step.settings.get("chooses") == "ranked"


class EventRow(conditions.EventForm):
    """One event, purchase or segment, and the name of its branch."""

    number = forms.IntegerField(
        min_value=1, max_value=MAX_PATHS, required=False, widget=forms.HiddenInput
    )
    label = forms.CharField(
        label=_("Name of the branch"),
        max_length=MAX_NAME_LENGTH,
        required=False,
        widget=forms.TextInput({"placeholder": _("as what happens"), "autocomplete": "off"}),
    )
    kind = forms.ChoiceField(label=_("What happens"), choices=WAIT_KINDS)
    segment = forms.ChoiceField(label=_("Segment"), required=False)
    field_order = ("number", "label", "kind", "name", "segment")

    def __init__(self, *args: Any, segments: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.segments = dict(segments)  # API id -> name
        segment = self.fields["segment"]
        assert isinstance(segment, forms.ChoiceField)
        segment.choices = [("", _("Choose a segment")), *segments]

    def clean(self) -> dict[str, Any]:
        """Require what the kind needs; a segment has no conditions on properties."""
        if self.cleaned_data.get("kind") != "segment":
            return super().clean()
        if not self.cleaned_data.get("segment") and "segment" not in self.errors:
            self.add_error("segment", _("Choose a segment."))
        return self.cleaned_data

    def settings(self, number: int) -> dict[str, Any]:
        """Return the row as it is stored."""
        cleaned = self.cleaned_data
        row = {"number": number, "label": cleaned["label"], "kind": cleaned["kind"]}
        if cleaned["kind"] == "segment":
            return row | {"segment": cleaned["segment"]}
        return row | {"name": cleaned["name"], "where": cleaned["where"]}


EventRows = forms.formset_factory(EventRow, extra=0, max_num=MAX_PATHS, absolute_max=MAX_PATHS)


class WaitUntilForm(DurationForm):
    """The events in their order, which of them decides, and how long people wait at most."""

    chooses = forms.ChoiceField(
        label=_("If several happen"), choices=CHOOSES, required=False, widget=forms.RadioSelect
    )

    def __init__(
        self, data: Any = None, *, step: Step, initial: Any = None, rows: Any = None
    ) -> None:
        segments = step.canvas.app_group.segments.order_by("name", "pk")
        choices = [(str(key), name) for key, name in segments.values_list("api_id", "name")]
        stored = rows_of(step.settings if initial is None else initial, "events")
        shown_rows = [_first_values(row, dict(choices)) for row in stored] or [new_row(set())]
        if rows is not None:
            shown_rows = rows
        super().__init__(data, step=step, initial={"chooses": "first", **(initial or {})})
        if rows is not None:
            self.initial["typed"] = True  # the page asks before these unsaved rows are lost
        self.rows = EventRows(
            data,
            prefix="row",
            initial=shown_rows if data is None else None,
            form_kwargs={"segments": choices, "empty_permitted": False},
        )

    @classmethod
    def from_button(cls, data: Mapping[str, object], *, step: Step) -> StepForm | None:
        """Return the form after a button that adds or removes an event; None for Save."""
        if DRAW_BUTTONS.isdisjoint(data.keys()):
            return None
        sent_rows = EventRows(data, prefix="row", form_kwargs={"segments": []})
        rows = typed_rows(sent_rows, without=data.get("remove"))
        row_to_raise = sent_numbers.whole(data.get("up")) or 0
        if 0 < row_to_raise < len(rows):
            rows.insert(row_to_raise - 1, rows.pop(row_to_raise))
        if "add" in data and len(rows) < MAX_PATHS:
            # The new row gets neither the number of another branch nor that of a removed branch
            # that people took.
            numbers = [typed_number(row["number"]) for row in rows]
            used_numbers = numbers_with_components(step).union(filter(None, numbers))
            rows.append(new_row(used_numbers, spent=spent_numbers(step)))
        other_values = {
            name: str(data[name]) for name in ("amount", "unit", "chooses") if name in data
        }
        return cls(step=step, initial=other_values, rows=rows)

    @property
    def may_have_more(self) -> bool:
        """Return whether another event can be added."""
        return len(self.rows.forms) < MAX_PATHS

    def clean(self) -> dict[str, Any]:
        """Check the rows: at least one, distinct names, no branch removed that has components."""
        cleaned = super().clean()
        if not self.rows.forms:
            self.add_error(None, _("Add at least one event or segment."))
        elif not self.rows.is_valid():
            self.add_error(None, _("Complete what people wait for, or remove it."))
            return cleaned
        labels = [row.cleaned_data["label"] for row in self.rows]
        for row in self.rows:
            if (label := row.cleaned_data["label"]) and labels.count(label) > 1:
                row.add_error("label", _("Another branch has this name."))
                self.add_error(None, _("Two branches have the same name."))
        self._name_branches()
        if names := lost_names(self.step, WaitUntil().branches(self.step), self._numbers()):
            self.add_error(None, lost_error(names))
        return cleaned

    def _name_branches(self) -> None:
        """Name the branches without a name after what happens."""
        used = {row.cleaned_data.get("label", "") for row in self.rows}
        for row in self.rows:
            cleaned = row.cleaned_data
            if row.is_valid() and not cleaned["label"]:
                cleaned["label"] = waited_for.name_of_branch(cleaned, row.segments, used=used)
                used.add(cleaned["label"])

    def _numbers(self) -> list[int]:
        numbers = (row.cleaned_data.get("number") for row in self.rows)
        return distinct_numbers(numbers, spent=spent_numbers(self.step))

    def settings(self) -> dict[str, Any]:
        """Return the longest wait, what decides, and the events with their branch numbers."""
        rows = zip(self.rows, self._numbers(), strict=True)
        settings = {name: self.cleaned_data[name] for name in ("amount", "unit")}
        settings["chooses"] = self.cleaned_data["chooses"] or "first"
        return settings | {"events": [row.settings(number) for row, number in rows]}


def _first_values(row: Mapping[str, Any], segments: Mapping[str, str]) -> dict[str, Any]:
    """Return what the form shows of a stored row. It leaves a generated name empty."""
    label = row["label"] if waited_for.has_own_name(row, segments) else ""
    return {**row, **conditions.initial(row), "label": label}


def new_row(used_numbers: Collection[int], *, spent: Collection[int] = ()) -> dict[str, Any]:
    """Return a new row."""
    return {
        "number": str(free_number(used_numbers, spent=spent)),
        "label": "",
        "kind": "event",
    }


def _segment_names(step: Step) -> dict[str, str]:
    """Return the names of the segments that a step waits for, by API id."""
    return {str(segment.api_id): segment.name for segment in segments_of(step)}


class WaitUntil(StepKind):
    """Hold people until one of several events; when the time is over, they go on, too.

    Each event has a branch. People without any of the events take "everyone else".
    """

    key = "wait_until"
    label = _("Wait until")
    help = _("People wait until an event happens or they join a segment, but not for ever.")
    icon = "hourglass"
    template = "canvases/steps/wait_until.html"
    form = WaitUntilForm
    splits = True

    def summary(self, step: Step) -> Text:
        """Return text such as: Did “cart” or joined “VIP” within 3 days; the first decides."""
        rows, time = events_of(step), duration(step.settings)
        if not rows:
            return _("Not set up yet")
        segments = _segment_names(step) if any(row["kind"] == "segment" for row in rows) else {}
        return waited_for.summary(rows, segments, time=time, is_ranked=is_ranked(step))

    def problems(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Return a problem if no event is chosen."""
        if self.is_set_up(step):
            return []
        return [StepProblem(_("Choose what people wait for."), field="row-0-name")]

    def is_set_up(self, step: Step) -> bool:
        """Return whether there is something to wait for."""
        return bool(events_of(step))

    def first_settings(self) -> dict[str, Any]:
        """Return a wait of one day."""
        return dict(DEFAULT_WAIT)

    def branches(self, step: Step) -> Sequence[Branch]:
        """Return the branch of each event, for visits with this ``branch``, then everyone else."""
        return (
            *(
                Branch(row["number"], row["label"], Q(branch=row["number"]))
                for row in events_of(step)
            ),
            Branch(EVERYONE_ELSE, _("Everyone else")),
        )

    def due_on_arrival(self, step: Step, *, now: datetime) -> datetime:
        """Return when the wait is over."""
        return now + length(step.settings)

    def rehearse(self, step: Step, person: Person, *, now: datetime) -> Rehearsed:
        """Return what must happen for each branch; without a choice, assume that nothing does."""
        ends_at, branches = self.due_on_arrival(step, now=now), self.branches(step)
        names = _segment_names(step)
        events = [
            RehearsedBranch(
                row["number"],
                row["label"],
                text=waited_for.happens_text(row, names),
                is_undecided=True,
            )
            for row in events_of(step)
        ]
        others = branches[-1].label
        rehearsed = [
            *events,
            RehearsedBranch(EVERYONE_ELSE, others, text=_("none of this happens")),
        ]
        taken = person.choice(step) or EVERYONE_ELSE
        if taken not in [branch.number for branch in rehearsed]:
            taken = EVERYONE_ELSE
        # Where the most important event decides, people go on waiting after any other event.
        is_early = taken in [
            branch.number for branch in (events[:1] if is_ranked(step) else events)
        ]
        until = now if is_early else ends_at
        return Rehearsed(until, taken, rehearsed, wait_ends_at=ends_at, is_early=is_early)

    def did_recently(self, step: Step, *, now: datetime) -> Mapping[int, Q | None]:
        """Return branch -> who did its event recently. None for segments: joining is not stored."""
        within = Q(at__gt=now - length(step.settings), at__lte=now, profile=OuterRef("pk"))
        return {
            row["number"]: None
            if row["kind"] == "segment"
            else Q(Exists(Event.objects.filter(within, filters.of_event(row, now=now)).order_by()))
            for row in events_of(step)
        }

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Return the names of the branches, which of them decides, and how long people wait."""
        old_labels, new_labels = (
            ", ".join(str(row["label"]) for row in rows_of(settings, "events"))
            for settings in (before, after)
        )
        rule_before, rule_after = (
            str(dict(CHOOSES)[settings.get("chooses", "first")]) for settings in (before, after)
        )
        chooses = (_("If several happen"), rule_before, rule_after)
        return [(_("Events"), old_labels, new_labels), chooses, *Delay().changes(before, after)]

    def on_saved(self, step: Step) -> None:
        """Store which segments people wait to join."""
        segments_used.store(step)
