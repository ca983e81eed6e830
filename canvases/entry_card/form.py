"""The form of name, entry, re-entry, caps and early exit of a canvas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.forms.boundfield import BoundWidget
from django.http import QueryDict
from django.utils.dates import WEEKDAYS
from django.utils.translation import gettext_lazy as _

from audiencesync.people.models import Event, Segment
from canvases import schedule
from canvases.entry_card import conditions, words
from canvases.entry_card.typed_rows import typed_rows
from canvases.models import Canvas
from canvases.steps.base import Text

By, Reentry = Canvas.EntryBy, Canvas.Reentry
MAX_ENTRIES, MAX_DAYS, MAX_EXITS = 1_000_000_000, 730, 10
# Kinds of entry after which people may enter again, unless a marketer chooses otherwise: they
# usually come back, such as with a second cart.
REENTERED_BY_DEFAULT = (By.SEGMENT, By.EVENT)
HELP: dict[str, Text] = {
    By.LAUNCH: _("They enter once, as soon as the canvas is launched."),
    By.SEGMENT: _("They enter at the launch, or later when they join the segment."),
    By.EVENT: _("From the launch on, whenever a person does something. The past does not count."),
    By.SCHEDULE: _("Everybody who is in the segment at that time."),
    By.CALL: _("Your own program names the people who enter."),
}
EVENT_KINDS: list[tuple[str, Text]] = [
    (Event.Kind.EVENT, _("Event")),
    (Event.Kind.PURCHASE, _("Purchase")),
]
DAYS = [*((str(n), str(n)) for n in range(1, 32)), (schedule.LAST, _("last day"))]
EVENT_NAME_ATTRS = {"list": "known-events", "autocomplete": "off"}


class ScheduleForm(forms.Form):
    """The fields of a schedule; `read` turns valid ones into a Schedule."""

    every = forms.ChoiceField(label=_("How often"), choices=list(schedule.EVERY.items()))
    on = forms.DateField(
        label=_("First day"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    at = forms.TimeField(label=_("Time"), widget=forms.TimeInput({"type": "time"}, "%H:%M"))
    weekdays = forms.TypedMultipleChoiceField(
        label=_("Days of the week"),
        choices=[(str(n), name) for n, name in WEEKDAYS.items()],
        coerce=int,
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    day = forms.ChoiceField(
        label=_("Day of the month"),
        choices=DAYS,
        required=False,
        help_text=_("In shorter months, day 29 to 31 is the last day."),
    )
    until = forms.DateField(
        label=_("Last day (optional)"),
        required=False,
        widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"),
    )

    def read(self, zone: ZoneInfo, now: datetime) -> schedule.Schedule | None:
        """Return the schedule; None, with errors, if it is invalid or has no run left."""
        if not self.is_valid():
            return None
        cleaned = self.cleaned_data
        day = cleaned["day"] or None
        raw = {
            "every": cleaned["every"],
            "on": cleaned["on"].isoformat() if cleaned["on"] else None,
            "at": f"{cleaned['at']:%H:%M}",
            "weekdays": cleaned["weekdays"],
            "day": int(day) if day and day.isdigit() else day,
            "until": cleaned["until"].isoformat() if cleaned["until"] else None,
        }
        try:
            parsed = schedule.read(raw)
            schedule.check(parsed, zone, now)
        except schedule.ScheduleError as error:
            self.add_error(error.field if error.field in self.fields else None, str(error.message))
            return None
        return parsed


@dataclass(frozen=True, slots=True)
class Runs:
    """The next runs of a schedule, or what is wrong with it."""

    times: list[datetime]
    problem: str = ""

    @classmethod
    def of(cls, data: Any, *, zone: ZoneInfo, now: datetime) -> Runs:
        """Return the next runs from typed fields of a schedule, or the first error in them."""
        form = ScheduleForm(data)
        if parsed := form.read(zone, now):
            return cls(schedule.next_runs(parsed, zone, now))
        name, errors = next(iter(form.errors.items()))
        label = form.fields[name].label if name in form.fields else ""
        return cls([], f"{label}: {errors[0]}" if label else str(errors[0]))


class ExitForm(conditions.EventForm):
    """An event or purchase that ends a visit."""

    kind = forms.ChoiceField(label=_("Kind"), choices=EVENT_KINDS)
    field_order = ("kind", "name")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs |= EVENT_NAME_ATTRS


ExitForms = forms.formset_factory(
    ExitForm, extra=0, max_num=MAX_EXITS, validate_max=True, absolute_max=MAX_EXITS
)


class EntryForm(forms.ModelForm):
    """All that the entry card of a canvas holds. `changes` gives the new values of its columns."""

    segment = forms.ModelChoiceField(
        Segment.objects.none(),
        label=_("Segment"),
        required=False,
        empty_label=_("Choose a segment"),
        error_messages={"invalid_choice": _("There is no such segment in this app group.")},
    )
    entry_by = forms.ChoiceField(
        label=_("Who enters"), choices=By.choices, required=False, widget=forms.RadioSelect
    )
    event_kind = forms.ChoiceField(label=_("What happens"), choices=EVENT_KINDS, required=False)
    event_name = forms.CharField(
        label=_("Name of the event or product"),
        required=False,
        max_length=255,
        widget=forms.TextInput(EVENT_NAME_ATTRS),
        help_text=_("As your program sends it. Empty for a purchase: any product."),
    )
    # The column ``reentry`` has two form fields, because its default depends on the kind of entry
    # and must be right without JavaScript. ``reentry_live`` is shown for REENTERED_BY_DEFAULT,
    # ``reentry`` for the other kinds.
    reentry = forms.ChoiceField(
        label=_("May a person enter again?"),
        choices=Reentry.choices,
        required=False,
        widget=forms.RadioSelect,
    )
    reentry_live = forms.ChoiceField(
        label=_("May a person enter again?"),
        choices=Reentry.choices,
        required=False,
        widget=forms.RadioSelect,
    )
    reentry_days = forms.IntegerField(
        label=_("Days after the last entry"), required=False, min_value=1, max_value=MAX_DAYS
    )
    cap_total = forms.IntegerField(
        label=_("Most entries in all"), required=False, min_value=1, max_value=MAX_ENTRIES
    )
    cap_per_day = forms.IntegerField(
        label=_("Most entries a day"), required=False, min_value=1, max_value=MAX_ENTRIES
    )
    # ``Canvas.exits["left"]`` has two form fields for the same reason. ``exit_left``, ticked by
    # default, is for canvases that are kept up to date with their segment.
    exit_left = forms.BooleanField(label=_("They leave the entry segment"), required=False)
    exit_left_others = forms.BooleanField(
        label=_("They leave the entry segment"),
        required=False,
        help_text=_("From their entry on. Only if a segment is chosen."),
    )
    exit_segments = forms.ModelMultipleChoiceField(
        Segment.objects.none(),
        label=_("They join one of these segments"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"invalid_choice": _("There is no such segment in this app group.")},
    )

    is_typed = False  # whether it shows typed values that are neither checked nor stored

    class Meta:
        model = Canvas
        fields = ["name", "description", "cap_total", "cap_per_day"]

    def __init__(self, data: Any = None, *, instance: Canvas, now: datetime) -> None:
        self.stored_entry_by, self.now = instance.entry_by, now
        self.is_launched = instance.state != Canvas.State.DRAFT
        super().__init__(data, instance=instance, initial=_initial(instance))
        conditions.add_fields(self, "event_")
        self.zone = ZoneInfo(instance.app_group.time_zone)
        segments = instance.app_group.segments.order_by("name", "pk")
        for name in ("segment", "exit_segments"):
            self.fields[name].queryset = segments  # type: ignore[attr-defined]  # it chooses rows
        self.schedule = ScheduleForm(data, initial=_schedule_initial(instance, self.zone, now))
        # A POST without the management form says nothing about exit events: the stored ones stay.
        self.exits = ExitForms(
            data if data and "exit-TOTAL_FORMS" in data else None,
            prefix="exit",
            initial=[
                event | conditions.initial(event) for event in words.exit_events(instance.exits)
            ],
        )
        for name in self._absent():
            del self.fields[name]

    @classmethod
    def unvalidated(cls, data: QueryDict, *, instance: Canvas, now: datetime) -> EntryForm:
        """Return a form of typed values that is not validated yet.

        The button ``add_exit`` adds a row of exit events, ``remove_exit`` leaves out the row whose
        number it sends.
        """
        form = cls(instance=instance, now=now)
        for part in (form, form.schedule):
            for name, field in part.fields.items():
                part.initial[name] = field.widget.value_from_datadict(data, {}, name)
        form.exits = ExitForms(prefix="exit", initial=_typed_exits(data))
        form.is_typed = True
        return form

    def _absent(self) -> list[str]:
        """Return the fields that a launched canvas does not have."""
        if not self.is_launched:
            return []
        reenters_by_default = self.stored_entry_by in REENTERED_BY_DEFAULT
        other_reentry = "reentry" if reenters_by_default else "reentry_live"
        event_fields = [name for name in self.fields if name.startswith("event_")]
        other_left = {"exit_left", "exit_left_others"}
        if self.instance.segment_id:
            other_left -= {self._left_field}
        return ["segment", "entry_by", *event_fields, other_reentry, *other_left]

    @property
    def _left_field(self) -> str:
        return "exit_left" if self.by == By.SEGMENT else "exit_left_others"

    @property
    def by(self) -> str:
        """Return the chosen kind of entry, typed or stored."""
        typed_by = None if self.is_launched else self["entry_by"].value()
        return typed_by if typed_by in By.values else self.stored_entry_by

    @property
    def entry_choices(self) -> Iterator[tuple[BoundWidget, Text]]:
        """Yield each radio of the entry with its help."""
        for radio in self["entry_by"]:
            yield radio, HELP[radio.data["value"]]

    @property
    def condition_rows(self) -> list[conditions.Row]:
        """Return the rows of conditions on properties of the event that are shown."""
        return conditions.rows(self, "event_")

    @property
    def all_forms(self) -> list[forms.BaseForm]:
        """Return the form and the inner forms whose fields count for the chosen entry."""
        inside = [self.schedule] if self.by == By.SCHEDULE and not self.is_launched else []
        return [self, *inside, *(self.exits.forms if self.exits.is_bound else [])]

    @property
    def runs(self) -> Runs:
        """Return the next runs of the typed or stored schedule."""
        return Runs.of(
            {field.name: field.value() for field in self.schedule}, zone=self.zone, now=self.now
        )

    def clean(self) -> dict[str, Any]:
        """Check what the chosen kind of entry needs."""
        cleaned = super().clean() or {}
        cleaned["entry_by"] = self.by
        if not self.is_launched:
            cleaned["entry"] = self._entry(cleaned)
        self._clean_reentry(cleaned)
        self._clean_exits(cleaned)
        return cleaned

    def _entry(self, cleaned: dict[str, Any]) -> dict[str, Any]:
        """Return ``Canvas.entry``; add errors for what is missing."""
        # An invalid choice is not in ``cleaned``: it has its own error.
        if self.by in words.BY_SEGMENT and "segment" in cleaned and not cleaned["segment"]:
            self.add_error("segment", _("Choose a segment."))
        if self.by == By.EVENT:
            kind = cleaned.get("event_kind") or Event.Kind.EVENT
            name = cleaned.get("event_name", "")
            if kind == Event.Kind.EVENT and not name:
                self.add_error("event_name", _("Give the name of the event."))
                return {}
            event = {"kind": kind, "name": name}
            return event | {"where": conditions.read(self, event, cleaned, "event_")}
        if self.by == By.SCHEDULE:
            parsed = self.schedule.read(self.zone, self.now)  # ``is_valid`` looks at its errors
            return parsed.as_json() if parsed else {}
        return {}

    def _clean_reentry(self, cleaned: dict[str, Any]) -> None:
        """Put the values of the columns into ``reentry`` and ``reentry_days``."""
        reenters_by_default = self.by in REENTERED_BY_DEFAULT
        reentry = cleaned.pop("reentry_live", "") if reenters_by_default else cleaned.get("reentry")
        cleaned["reentry"] = reentry or self.instance.reentry
        if cleaned["reentry"] != Reentry.DAYS:
            cleaned["reentry_days"] = None
        elif "reentry_days" not in self.errors and not cleaned.get("reentry_days"):
            self.add_error("reentry_days", _("Give the number of days."))

    def _clean_exits(self, cleaned: dict[str, Any]) -> None:
        segment = self.instance.segment if self.is_launched else cleaned.get("segment")
        if segment and segment in (cleaned.get("exit_segments") or ()):
            self.add_error("exit_segments", _("This is the segment that people enter from."))
        if self.exits.is_bound and not self.exits.is_valid():
            self.add_error(None, _("Complete the events that end a visit, or remove them."))

    def is_valid(self) -> bool:
        """Return whether this form and those inside it are valid."""
        valid = super().is_valid()
        return valid and not any(form.errors for form in self.all_forms)

    def changes(self) -> dict[str, Any]:
        """Return the new values of the columns, for a valid form.

        Exit segments are rows of their own: ``cleaned_data`` has them.
        """
        cleaned = self.cleaned_data
        names = ["name", "description", "reentry", "reentry_days", "cap_total", "cap_per_day"]
        if not self.is_launched:
            names += ["segment", "entry_by", "entry"]
        events = words.exit_events(self.instance.exits)
        if self.exits.is_bound:
            events = [
                {"kind": event["kind"], "name": event["name"], "where": event["where"]}
                for event in self.exits.cleaned_data
                if event
            ]
        is_left = bool(cleaned.get(self._left_field))
        segment = self.instance.segment if self.is_launched else cleaned["segment"]
        # For entry by segment, False is stored as well: `_initial` ticks the box without a value.
        left_exit = {"left": is_left} if self.by == By.SEGMENT or is_left and segment else {}
        return {name: cleaned[name] for name in names} | {"exits": {"events": events} | left_exit}


def _initial(canvas: Canvas) -> dict[str, Any]:
    stored, is_draft = canvas.reentry, canvas.state == Canvas.State.DRAFT
    reenters_by_default = canvas.entry_by in REENTERED_BY_DEFAULT
    event = canvas.entry if canvas.entry_by == By.EVENT else {}
    return {
        "segment": canvas.segment_id,
        "entry_by": canvas.entry_by,
        "event_kind": event.get("kind", Event.Kind.EVENT),
        "event_name": event.get("name", ""),
        **conditions.initial(event, "event_"),
        # The field that the other kinds of entry show begins with their default.
        "reentry": stored if not (reenters_by_default and is_draft) else Reentry.NEVER,
        "reentry_live": stored if reenters_by_default else Reentry.LEFT,
        "reentry_days": canvas.reentry_days,
        "exit_left": canvas.exits.get("left", True),
        "exit_left_others": canvas.entry_by != By.SEGMENT and canvas.exits.get("left", False),
        "exit_segments": [row.segment_id for row in canvas.exit_segments.all()],
    }


def _schedule_initial(canvas: Canvas, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """Return the stored schedule; for another kind of entry, every day at nine from tomorrow."""
    if canvas.entry_by == By.SCHEDULE:
        return {**canvas.entry, "day": str(canvas.entry.get("day") or 1)}
    tomorrow = schedule.tomorrow(zone, now)
    return {"every": "day", "on": tomorrow, "at": "09:00", "weekdays": [0], "day": "1"}


def _typed_exits(data: QueryDict) -> list[dict[str, Any]]:
    rows = typed_rows(ExitForms(data, prefix="exit"), without=data.get("remove_exit"))
    return [*rows, {}][:MAX_EXITS] if "add_exit" in data else rows
