"""Template tags of the table of analytics. A page has hundreds of these cells."""

from collections.abc import Collection, Mapping
from datetime import datetime

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from audiencesync.groups.templatetags import ui
from canvases.people_lists import links
from canvases.staff_table.page import Head, Row
from canvases.staff_table.query import StaffFilter

register = template.Library()
SECOND_LINE = '<span class="below"><span class="visually-hidden">{}</span> {}</span>'


@register.filter
def of(values: Mapping[int, float] | str, key: int) -> float | None:
    """Return the value of a key; None if the key or the mapping is missing."""
    return values.get(key) if isinstance(values, Mapping) else None


@register.filter
def ago(at: datetime | None, now: datetime) -> str:
    """Return how long ago ``at`` was, in two units at most: 41 s, 3 h 12 min, 2 d 4 h."""
    if at is None:
        return "–"
    seconds = max(0, int((now - at).total_seconds()))
    minutes, hours = seconds // 60, seconds // 3600
    if not minutes:
        return gettext("%(s)s s") % {"s": seconds}
    if not hours:
        return gettext("%(m)s min") % {"m": minutes}
    if hours < 24:
        return gettext("%(h)s h %(m)s min") % {"h": hours, "m": minutes % 60}
    return gettext("%(d)s d %(h)s h") % {"d": hours // 24, "h": hours % 24}


@register.filter
def head_of(row: Row, heads: Mapping[int, Head]) -> Head | None:
    """Return the row of the group of a step."""
    return heads.get(row.line.group)


@register.simple_tag
def group_choices(form: StaffFilter) -> SafeString:
    """Return the select of app groups."""
    chosen = form["group"].value() or ""
    options = [("", gettext("All")), *form.groups]
    marked_options = ((slug, " selected" if slug == chosen else "", name) for slug, name in options)
    return format_html(
        '<select name="group" class="form-select" id="id_group">{}</select>',
        format_html_join("", '<option value="{}"{}>{}</option>', marked_options),
    )


@register.simple_tag(takes_context=True)
def metric_cells(
    context: Context, row: Row, readable: Collection[str], has_dates: bool
) -> SafeString:
    """Return the seven metrics of a step, each a link to what it counts.

    ``readable``: slugs of the groups of which the user is a member. There a link leads to the list
    of people. If only some days are counted (``has_dates``), it leads to the step's page of numbers
    instead, as the list has people of all days. In other groups, it leads to numbers by reason.
    """
    if row.group.row.slug not in readable:
        beginning = f"{reverse('staff_step', args=[row.line.step])}#"
    elif has_dates:
        beginning = f"{row.canvas_url}steps/{row.line.step}/numbers/#"
    else:
        beginning = links.people_url_prefix(row.canvas_url, row.line.step)
    second_lines = {"synced": _today_line(row), "pending": _pending_lines(context, row)}
    cells = (
        (_tone(name, n), name, _number(n, beginning + name), second_lines.get(name, ""))
        for name, _label, n in row.metrics
    )
    return format_html_join("", '<td class="num{}" data-metric="{}">{}{}</td>', cells)


def _tone(name: str, n: int | None) -> str:
    if not n:
        return " is-zero"
    return {"errored": " text-bad", "pending": " text-accent"}.get(name, "")


def _number(n: int | None, link: str) -> str | SafeString:
    if n is None:
        return "–"
    shown = number_format(n)
    return format_html('<a class="people-link" href="{}">{}</a>', link, shown) if n else shown


def _today_line(row: Row) -> str | SafeString:
    n = row.line.today
    return format_html(SECOND_LINE, gettext("today"), number_format(n)) if n else ""


def _pending_lines(context: Context, row: Row) -> str | SafeString:
    held_line, done_line = "", ""
    if row.line.has_held_removals:
        held_line = format_html('<span class="below">{}</span>', gettext("removals held"))
    if row.done_at:
        clock = ui.clock(context, row.done_at, zoned=False)
        done_line = format_html(SECOND_LINE, gettext("done about"), clock)
    return format_html("{}{}", held_line, done_line)
