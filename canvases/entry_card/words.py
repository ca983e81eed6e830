"""Entry, re-entry, caps and early exit of a canvas in one sentence, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from canvases import schedule
from canvases.entry_card import event_property
from canvases.models import Canvas, Step

By, Reentry = Canvas.EntryBy, Canvas.Reentry
BY_SEGMENT = (By.LAUNCH, By.SEGMENT, By.SCHEDULE)  # the others can do without a segment


@dataclass(frozen=True, slots=True)
class EntryProblem:
    """A problem of the entry. ``field``: the form field that fixes it."""

    field: str
    text: str | Promise


def sentence(canvas: Canvas, *, exit_segments: Sequence[str] = (), now: datetime) -> str:
    """Return how people enter, enter again, are capped and leave early."""
    parts = [entry(canvas, now=now), reentry(canvas), caps(canvas), exits(canvas, exit_segments)]
    return "; ".join(part for part in parts if part) + "."


def entry(canvas: Canvas, *, now: datetime) -> str:
    """Return who enters and when."""
    segment = canvas.segment.name if canvas.segment else ""
    match canvas.entry_by:
        case By.EVENT:
            happens = event(canvas.entry)
            if segment:
                return _("When %(event)s, only people in segment “%(segment)s”") % {
                    "event": happens,
                    "segment": segment,
                }
            return _("When %(event)s") % {"event": happens}
        case By.CALL:
            if segment:
                return _("By API, only people in segment “%(segment)s”") % {"segment": segment}
            return _("By API")
        case By.SEGMENT:
            return _("Everybody in segment “%(segment)s”, kept up to date") % {"segment": segment}
        case By.SCHEDULE:
            return _("Everybody in segment “%(segment)s”, %(times)s") % {
                "segment": segment,
                "times": times(canvas, now=now),
            }
        case _other:
            return _("Everybody in segment “%(segment)s” when launched") % {"segment": segment}


def reentry(canvas: Canvas) -> str:
    """Return how often a person may enter."""
    if canvas.reentry == Reentry.LEFT:
        return _("again after leaving")
    if canvas.reentry == Reentry.DAYS and canvas.reentry_days:
        n = canvas.reentry_days
        return ngettext(
            "again %(n)s day after the last entry", "again %(n)s days after the last entry", n
        ) % {"n": number_format(n)}
    return _("each person once")


def caps(canvas: Canvas) -> str:
    """Return the limits of entries; empty if there are none."""
    total, per_day = canvas.cap_total, canvas.cap_per_day
    params = {"total": number_format(total or 0), "per_day": number_format(per_day or 0)}
    if total is not None and per_day is not None:
        return _("at most %(total)s entries, %(per_day)s a day") % params
    if total is not None:
        return _("at most %(total)s entries") % params
    return _("at most %(per_day)s entries a day") % params if per_day is not None else ""


def exits(canvas: Canvas, segments: Sequence[str]) -> str:
    """Return what ends a visit early; empty if nothing does."""
    parts = [
        _("when %(event)s") % {"event": event(event_filter)}
        for event_filter in exit_events(canvas.exits)
    ]
    if ends_on_leaving(canvas):
        parts.append(_("on leaving the segment"))
    parts += [_("on joining segment “%(segment)s”") % {"segment": name} for name in segments]
    return _("early exit %(reasons)s") % {"reasons": _(" or ").join(parts)} if parts else ""


def ends_on_leaving(canvas: Canvas) -> bool:
    """Return whether leaving the entry segment ends a visit."""
    return canvas.segment_id is not None and bool(canvas.exits.get("left"))


def exit_events(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the exit events of ``Canvas.exits``; those that cannot be read are left out."""
    rows = raw.get("events")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def event(raw: Mapping[str, Any]) -> str:
    """Return text such as: event “cart” happens."""
    name = str(raw.get("name") or "")
    if condition := event_property.words(raw):
        happens = event({"kind": raw.get("kind"), "name": name})
        return _("%(event)s and %(condition)s") % {"event": happens, "condition": condition}
    if raw.get("kind") != "purchase":
        return _("event “%(name)s” happens") % {"name": name}
    return _("“%(name)s” is bought") % {"name": name} if name else _("anything is bought")


def times(canvas: Canvas, *, now: datetime) -> str:
    """Return the schedule of a canvas in words; empty if it cannot be read."""
    try:
        parsed = schedule.read(canvas.entry)
    except schedule.ScheduleError:
        return ""
    zone = canvas.app_group.time_zone
    return of_schedule(parsed, today=now.astimezone(ZoneInfo(zone)).date(), zone=zone)


def of_schedule(parsed: schedule.Schedule, *, today: date, zone: str) -> str:
    """Return text such as: every week on Monday at 14:00 (Europe/Berlin), until 1 June 2027."""
    params = {
        "time": f"{parsed.at:%H:%M} ({zone})",
        "day": parsed.day,
        "date": date_format(parsed.on),
    }
    match parsed.every:
        case "once":
            return _("once on %(date)s at %(time)s") % params
        case "week":
            days = ", ".join(str(WEEKDAYS[day]) for day in parsed.weekdays)
            text = _("every week on %(days)s at %(time)s") % {**params, "days": days}
        case "month" if parsed.day == schedule.LAST:
            text = _("on the last day of every month at %(time)s") % params
        case "month":
            text = _("every month on day %(day)s at %(time)s") % params
        case _other:
            text = _("every day at %(time)s") % params
    if parsed.on > today:
        text = _("%(times)s, from %(date)s") % {**params, "times": text}
    if parsed.until is None:
        return text
    return _("%(times)s, until %(date)s") % {
        "times": text,
        "date": date_format(parsed.until),
    }


def missing_choices(canvas: Canvas) -> list[EntryProblem]:
    """Return what is still to be chosen, for the card and the checklist."""
    if canvas.entry_by in BY_SEGMENT and canvas.segment_id is None:
        return [EntryProblem("segment", _("Choose the segment whose people enter."))]
    if canvas.entry_by == By.EVENT and not (
        canvas.entry.get("kind") == "purchase" or canvas.entry.get("name")
    ):
        return [EntryProblem("event_name", _("Choose the event that lets people enter."))]
    if canvas.entry_by == By.SCHEDULE:
        try:
            schedule.read(canvas.entry)
        except schedule.ScheduleError:
            return [EntryProblem("every", _("Choose when people enter."))]
    return []


def problems(canvas: Canvas, steps: Sequence[Step], *, now: datetime) -> list[EntryProblem]:
    """Return the problems of the entry that block a launch."""
    problem_list = missing_choices(canvas)
    if canvas.entry_by == By.SCHEDULE and not problem_list:
        try:
            parsed = schedule.read(canvas.entry)
            schedule.check(parsed, ZoneInfo(canvas.app_group.time_zone), now)
        except schedule.ScheduleError as error:
            problem_list.append(EntryProblem(error.field, error.message))
    removes = any(step.settings.get("removes") for step in steps)
    if canvas.entry_by == By.SEGMENT and canvas.reentry == Reentry.NEVER and removes:
        text = _(
            "People who leave the segment are removed from the audience, and could not come back. "
            "Let them enter again after leaving."
        )
        problem_list.append(EntryProblem("reentry_live", text))
    for field in ("cap_total", "cap_per_day"):
        if getattr(canvas, field) == 0:
            problem_list.append(EntryProblem(field, _("With a limit of 0 no person can enter.")))
    return problem_list
