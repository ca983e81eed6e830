"""The Delay step: visits wait for a while, until a date, or until a weekday and time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.logged_changes import LoggedChange
from canvases import schedule, tree
from canvases.steps.base import StepForm, StepKind, StepProblem, Text

if TYPE_CHECKING:
    from canvases.models import Step

UNIT_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
MAX_WAIT = timedelta(days=730)
UNITS = [
    ("seconds", _("seconds")),
    ("minutes", _("minutes")),
    ("hours", _("hours")),
    ("days", _("days")),
]
DEFAULT_WAIT: dict[str, Any] = {"amount": 1, "unit": "days"}
MODES: list[tuple[str, Text]] = [
    ("for", _("For a while")),
    ("date", _("Until a date")),
    ("weekday", _("Until a day of the week")),
]


class DurationForm(StepForm):
    """A number and its unit."""

    amount = forms.IntegerField(label=_("How long"), min_value=1, max_value=63_072_000)
    unit = forms.ChoiceField(label=_("Unit"), choices=UNITS)

    def clean(self) -> dict[str, Any]:
        """Refuse a delay of more than two years."""
        cleaned = super().clean() or {}
        if cleaned.get("amount") and cleaned.get("unit") and length(cleaned) > MAX_WAIT:
            self.add_error(
                "amount",
                ValidationError(
                    ngettext_lazy(
                        "A wait cannot be longer than %(n)d day.",
                        "A wait cannot be longer than %(n)d days.",
                        "n",
                    )
                    % {"n": MAX_WAIT.days}
                ),
            )
        return cleaned


class DelayForm(DurationForm):
    """A duration, a date and time, or a weekday and time, in the time zone of the group."""

    mode = forms.ChoiceField(
        label=_("How people wait"), choices=MODES, required=False, widget=forms.RadioSelect
    )
    date = forms.DateField(
        label=_("Date"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    weekday = forms.TypedChoiceField(
        label=_("Day of the week"),
        choices=[(str(n), name) for n, name in WEEKDAYS.items()],
        coerce=int,
        required=False,
    )
    at = forms.TimeField(
        label=_("Time"), required=False, widget=forms.TimeInput({"type": "time"}, "%H:%M")
    )

    def __init__(self, data: Any = None, *, step: Step, initial: Any = None) -> None:
        until = (initial or {}).get("until") or {}
        mode = "date" if "date" in until else "weekday" if until else "for"
        defaults = {**DEFAULT_WAIT, "mode": mode, "at": "09:00", "weekday": 0}
        super().__init__(data, step=step, initial={**defaults, **until, **(initial or {})})
        mode = (data or {}).get("mode") or "for"
        # The fields of a mode that is not chosen may be empty.
        for name in ("amount", "unit"):
            self.fields[name].required = data is None or mode == "for"

    def clean(self) -> dict[str, Any]:
        """Require the fields of the chosen mode."""
        cleaned = super().clean()
        mode = cleaned["mode"] = cleaned.get("mode") or "for"
        if mode != "for" and not cleaned.get("at") and "at" not in self.errors:
            self.add_error("at", _("Give a time."))
        if mode == "weekday" and cleaned.get("weekday") == "":
            self.add_error("weekday", _("Choose a day of the week."))
        if mode == "date" and not cleaned.get("date") and "date" not in self.errors:
            self.add_error("date", _("Give a date."))
        if mode == "date" and cleaned.get("date") and not 2000 <= cleaned["date"].year <= 2200:
            self.add_error("date", _("Give a date of this century."))
        return cleaned

    def settings(self) -> dict[str, Any]:
        """Return amount and unit, or until when."""
        cleaned = self.cleaned_data
        if cleaned["mode"] == "for":
            return {name: cleaned[name] for name in ("amount", "unit")}
        until = {"at": f"{cleaned['at']:%H:%M}"}
        if cleaned["mode"] == "date":
            return {"until": until | {"date": cleaned["date"].isoformat()}}
        return {"until": until | {"weekday": cleaned["weekday"]}}


def end_of(until: dict[str, Any], zone: ZoneInfo, *, now: datetime) -> datetime:
    """Return until when people wait who come at ``now``; ``now`` if that time is over.

    A local time that does not exist moves to the next that does. If a local time exists twice, the
    first one counts.
    """
    raw = {"every": "once", "on": until.get("date"), "at": until["at"]}
    if "weekday" in until:
        today = now.astimezone(zone).date()
        raw |= {"every": "week", "on": today.isoformat(), "weekdays": [until["weekday"]]}
    return schedule.next_after(schedule.read(raw), zone, now) or now


def length(settings: dict[str, Any]) -> timedelta:
    """Return the length of the delay that ``settings`` describe."""
    settings = settings or DEFAULT_WAIT
    return timedelta(seconds=settings["amount"] * UNIT_SECONDS[settings["unit"]])


def duration(settings: dict[str, Any]) -> Text:
    """Return text such as "10 minutes"."""
    n, params = settings["amount"], {"n": number_format(settings["amount"])}
    match settings["unit"]:
        case "seconds":
            return ngettext("%(n)s second", "%(n)s seconds", n) % params
        case "minutes":
            return ngettext("%(n)s minute", "%(n)s minutes", n) % params
        case "hours":
            return ngettext("%(n)s hour", "%(n)s hours", n) % params
        case _:
            return ngettext("%(n)s day", "%(n)s days", n) % params


class Delay(StepKind):
    """Hold each visit for a while. A changed delay applies to visits that arrive afterwards."""

    key = "delay"
    label = _("Delay")
    help = _("People wait here before they go on.")
    icon = "clock"
    template = "canvases/steps/delay.html"
    form = DelayForm

    def summary(self, step: Step) -> Text:
        """Return text such as "Wait 10 minutes", or until when people wait."""
        settings = step.settings or DEFAULT_WAIT
        if until := settings.get("until"):
            return _until_words(until, step.canvas.app_group.time_zone)
        n, params = settings["amount"], {"n": number_format(settings["amount"])}
        match settings["unit"]:
            case "seconds":
                return ngettext("Wait %(n)s second", "Wait %(n)s seconds", n) % params
            case "minutes":
                return ngettext("Wait %(n)s minute", "Wait %(n)s minutes", n) % params
            case "hours":
                return ngettext("Wait %(n)s hour", "Wait %(n)s hours", n) % params
            case _:
                return ngettext("Wait %(n)s day", "Wait %(n)s days", n) % params

    def warnings(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Warn of a delay without effect: after the last step, or until a date that is over."""
        until = step.settings.get("until") or {}
        zone = ZoneInfo(step.canvas.app_group.time_zone)
        if "date" in until and end_of(until, zone, now=now) <= now:
            text = _("This date is over: people go on at once.")
            return [StepProblem(text, blocks_launch=False, field="date")]
        steps = list(step.canvas.steps.filter(removed_at=None))
        if tree.following(steps, step) is not None:
            return []
        return [
            StepProblem(
                _("Nothing comes after this delay: people only wait and leave."),
                blocks_launch=False,
            )
        ]

    def first_settings(self) -> dict[str, Any]:
        """Return a delay of one day."""
        return dict(DEFAULT_WAIT)

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Return the length and its unit, and until when."""
        units = dict(UNITS)
        old_until, new_until = (_log_words(settings.get("until")) for settings in (before, after))
        return [
            (_("How long"), before.get("amount"), after.get("amount")),
            (_("Unit"), units.get(before.get("unit", "")), units.get(after.get("unit", ""))),
            (_("Until"), old_until, new_until),
        ]

    def due_on_arrival(self, step: Step, *, now: datetime) -> datetime:
        """Return when the delay ends."""
        if until := (step.settings or DEFAULT_WAIT).get("until"):
            return end_of(until, ZoneInfo(step.canvas.app_group.time_zone), now=now)
        return now + length(step.settings)


def _until_words(until: dict[str, Any], zone: str) -> str:
    """Return text such as: Wait until Monday, 09:00 (Europe/Berlin)."""
    params = {"time": f"{until['at']} ({zone})"}
    if "weekday" in until:
        text = gettext("Wait until %(day)s, %(time)s")
        return text % {**params, "day": WEEKDAYS[until["weekday"]]}
    day = date_format(date.fromisoformat(until["date"]))
    return gettext("Wait until %(day)s, %(time)s") % {**params, "day": day}


def _log_words(until: dict[str, Any] | None) -> str | None:
    if not until:
        return None
    return f"{until.get('date') or WEEKDAYS[until['weekday']]} {until['at']}"
