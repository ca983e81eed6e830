"""Why a condition finds no people, in words: what there is instead of what it asks for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Count, Q
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Event, Profile
from audiencesync.people.segments import attribute_sql, catalogue, events_sql
from audiencesync.people.segments.nodes import (
    CODES,
    COUNTED,
    CUSTOM,
    NO_VALUE,
    RELATIVE,
    AudienceCondition,
    Condition,
    EventCondition,
    FilterError,
    Group,
    Node,
    SegmentCondition,
)
from audiencesync.people.segments.reader import read

SECONDS = 0.5  # for one condition
MOST = 5  # conditions of one preview
DATE = "date"
_TYPE_WORDS = {
    "text": gettext_lazy("text"),
    "number": gettext_lazy("a number"),
    "boolean": gettext_lazy("yes or no"),
    "list": gettext_lazy("a list"),
    "object": gettext_lazy("an object"),
    DATE: gettext_lazy("a date"),
}


def reasons(
    app_group: AppGroup, parts: Mapping[str, Any], counts: Mapping[str, int], *, now: datetime
) -> dict[str, str]:
    """Return place -> reason of the first conditions without people, where there is one."""
    empty = [place for place, n in counts.items() if n == 0 and place in parts]
    leaves = {place: node for place in empty if (node := _leaf(parts[place]))}
    found = {}
    for place, node in list(leaves.items())[:MOST]:
        try:
            with at_most(SECONDS):
                words = _reason(app_group, node, now)
        except TooSlow:
            continue
        if words:
            found[place] = words
    return found


def _leaf(raw: Any) -> Node | None:
    """Return a condition; None for a group and for what cannot be read."""
    try:
        node = read(raw)
    except FilterError:
        return None
    return None if isinstance(node, Group) else node


def _reason(app_group: AppGroup, node: Node, now: datetime) -> str:
    if isinstance(node, Condition) and node.field.startswith(CUSTOM):
        return _of_attribute(app_group, node)
    if isinstance(node, Condition):
        return _of_column(app_group, node)
    if isinstance(node, EventCondition):
        return _of_event(app_group, node, now)
    if isinstance(node, SegmentCondition):
        return _("This segment is empty.") if node.op == "in" else _("Everybody is in it.")
    if isinstance(node, AudienceCondition):
        return _("We have not sent anyone to it.") if node.op == "in" else ""
    return ""


def _of_attribute(app_group: AppGroup, node: Condition) -> str:
    """Name the types that an attribute has, where the comparison needs others."""
    name = node.field.removeprefix(CUSTOM)
    if node.op == "missing":
        return _("Everybody has this attribute.")
    found = _types(app_group, name)
    if not found:
        return _("No one has this attribute.")
    needed = _needed(node)
    if node.op in NO_VALUE - {"is_true", "is_false"} or needed & found.keys():
        n = sum(n for kind, n in found.items() if kind in needed)
        words = ngettext(
            "%(n)s person has this attribute, with another value.",
            "%(n)s people have this attribute, with other values.",
            n,
        )
        return words % {"n": intcomma(n)}
    kind, n = max(found.items(), key=lambda one: one[1])
    words = ngettext(
        "“%(name)s” is %(type)s for %(n)s person.", "“%(name)s” is %(type)s for %(n)s people.", n
    )
    return words % {"name": name, "type": _TYPE_WORDS[kind], "n": intcomma(n)}


def _of_column(app_group: AppGroup, node: Condition) -> str:
    """Say how many people have a code or an id at all."""
    if node.field not in (*CODES, "external_id") or node.op in NO_VALUE:
        return ""
    there = Profile.objects.filter(app_group=app_group).exclude(
        Q(**{node.field: ""}) | Q(**{f"{node.field}__isnull": True})
    )
    n = there.count()
    if not n:
        return _("No one has this field.")
    words = ngettext(
        "%(n)s person has this field, with another value.",
        "%(n)s people have this field, with other values.",
        n,
    )
    return words % {"n": intcomma(n)}


def _needed(node: Condition) -> set[str]:
    """Return the types of which a value can match."""
    if node.op in RELATIVE or node.op in ("greater", "less") and isinstance(node.value, str):
        return {DATE}
    if node.op in ("greater", "less"):
        return {"number"}
    if node.op in ("is_true", "is_false"):
        return {"boolean"}
    if node.op in ("contains", "starts_with"):
        return {"text", DATE, "list"} if node.op == "contains" else {"text", DATE}
    return {"text", DATE, "number"}


def _types(app_group: AppGroup, name: str) -> dict[str, int]:
    """Return type -> how many people have the attribute as one; a text that is a day is a date."""
    people = Profile.objects.filter(attribute_sql.exists(name), app_group=app_group).order_by()
    rows = people.values(kind=attribute_sql.AttributeKind(name)).annotate(
        n=Count("pk"), days=Count("pk", filter=Q(attribute_sql.holds_day(name)))
    )
    found: dict[str, int] = {}
    for row in rows:
        kind = catalogue.TYPES.get(row["kind"], "object")
        for one, n in ((kind, row["n"] - row["days"]), (DATE, row["days"])):
            if n:
                found[one] = found.get(one, 0) + n
    return found


def _of_event(app_group: AppGroup, node: EventCondition, now: datetime) -> str:
    """Say which part of a condition on events fails first: name, time, properties or number."""
    if node.op not in (*COUNTED, "last_after", "first_after"):
        return ""
    named = Q(kind=node.kind, name=node.name) if node.name else Q(kind=node.kind)
    mine = Event.objects.filter(named, app_group=app_group)
    newest = mine.order_by("-at").values_list("at", flat=True).first()
    if newest is None:
        return _("No such event has arrived.")
    if node.op not in ("at_least", "exactly"):
        return ""
    within = mine
    if node.days is not None:
        within = mine.filter(at__gte=now - timedelta(days=node.days), at__lte=now)
        if newest < now - timedelta(days=node.days):
            words = ngettext(
                "No such event in the last 24 hours; the last one was on %(day)s.",
                "No such event in the last %(n)d days; the last one was on %(day)s.",
                node.days,
            )
            return words % {"n": node.days, "day": formats.date_format(newest, "DATE_FORMAT")}
    if node.where and not within.filter(events_sql.of_event(node, now)).exists():
        return _("No such event has these properties.")
    return _("No one did it that often.") if node.n > 1 else ""
