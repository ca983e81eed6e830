"""Entry and exit of a canvas as lines of the activity log: stored untranslated."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.logged_changes import LoggedChange, Value
from canvases import schedule
from canvases.entry_card import event_property, words
from canvases.models import Canvas

Lines = dict[str | Promise, Value]


def changes(former: Canvas, before: Lines, stored: Canvas) -> list[LoggedChange]:
    """Return all lines with their old and new values; the log drops those that did not change.

    ``before``: the lines of ``former``, read before the edit. They cannot be read later: the exit
    segments are rows of their own, which the edit has replaced.
    """
    after = of_entry(stored)
    lines: list[LoggedChange] = [(label, before[label], after[label]) for label in after]
    changed = {label for label in after if before[label] != after[label]}
    # True if a value has changed that no line shows, such as a masked one.
    is_hidden = stored.entry != former.entry and not changed & _of_entry_rules(stored).keys()
    exits = [words.exit_events(canvas.exits) for canvas in (former, stored)]
    is_hidden |= exits[0] != exits[1] and not changed & _of_exit_rules(stored).keys()
    if is_hidden:
        lines.append((_("Condition"), None, _("the same fields, other values")))
    return lines


def of_entry(canvas: Canvas) -> Lines:
    """Return label -> stored value, in the order of the form."""
    exits = canvas.exit_segments.order_by("segment__name").values_list("segment__name", flat=True)
    return {
        _("Name"): canvas.name,
        _("Description"): canvas.description,
        _("Who enters"): Canvas.EntryBy(canvas.entry_by).label,
        _("Segment"): canvas.segment.name if canvas.segment else "",
        **_of_entry_rules(canvas),
        _("May a person enter again?"): Canvas.Reentry(canvas.reentry).label,
        _("Days after the last entry"): canvas.reentry_days,
        _("Most entries in all"): canvas.cap_total,
        _("Most entries a day"): canvas.cap_per_day,
        **_of_exit_rules(canvas),
        _("They join one of these segments"): ", ".join(exits),
    }


def _of_entry_rules(canvas: Canvas) -> Lines:
    """Return the lines of the column ``entry``."""
    return {**_of_event(canvas), **_of_schedule(canvas)}


def _of_exit_rules(canvas: Canvas) -> Lines:
    """Return the lines of the column ``exits``."""
    return {
        _("Events that end a visit"): ", ".join(map(_event, words.exit_events(canvas.exits))),
        _("They leave the entry segment"): words.ends_on_leaving(canvas),
    }


def _of_event(canvas: Canvas) -> Lines:
    is_event = canvas.entry_by == Canvas.EntryBy.EVENT
    label = _("What happens")
    return {label: _event(canvas.entry) if is_event else ""}


def _event(raw: dict[str, object]) -> str:
    """Return an event without personal data: the log is read by viewers and kept for long."""
    conditions = ", ".join(
        " ".join(condition) for condition in event_property.masked_conditions(raw)
    )
    return f"{raw.get('kind')}: {raw.get('name') or '*'} {conditions}".strip()


def _of_schedule(canvas: Canvas) -> Lines:
    parsed = None
    if canvas.entry_by == Canvas.EntryBy.SCHEDULE:
        try:
            parsed = schedule.read(canvas.entry)
        except schedule.ScheduleError:
            parsed = None
    return {
        _("How often"): schedule.EVERY[parsed.every] if parsed else "",
        _("First day"): parsed.on.isoformat() if parsed else "",
        _("Time"): f"{parsed.at:%H:%M}" if parsed else "",
        _("Days of the week"): ", ".join(str(day + 1) for day in parsed.weekdays) if parsed else "",
        _("Day of the month"): str(parsed.day) if parsed and parsed.day else "",
        _("Last day (optional)"): parsed.until.isoformat() if parsed and parsed.until else "",
    }
