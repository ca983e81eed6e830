"""Why a condition finds no people, in words: the values that profiles or events have instead."""

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

TIME_LIMIT_SECONDS = 0.5  # for one condition
MOST_CONDITIONS = 5  # conditions of one preview
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
    """Return place -> reason, for the first conditions without people that have a known reason."""
    empty_places = [place for place, n in counts.items() if n == 0 and place in parts]
    nodes = {place: node for place in empty_places if (node := _condition_or_none(parts[place]))}
    texts = {}
    for place, node in list(nodes.items())[:MOST_CONDITIONS]:
        try:
            with at_most(TIME_LIMIT_SECONDS):
                reason = _reason(app_group, node, now)
        except TooSlow:
            continue
        if reason:
            texts[place] = reason
    return texts


def _condition_or_none(raw: Any) -> Node | None:
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
    n_by_type = _n_by_type(app_group, name)
    if not n_by_type:
        return _("No one has this attribute.")
    matching_types = _matching_types(node)
    if node.op in NO_VALUE - {"is_true", "is_false"} or matching_types & n_by_type.keys():
        n = sum(n for kind, n in n_by_type.items() if kind in matching_types)
        text = ngettext(
            "%(n)s person has this attribute, with another value.",
            "%(n)s people have this attribute, with other values.",
            n,
        )
        return text % {"n": intcomma(n)}
    kind, n = max(n_by_type.items(), key=lambda item: item[1])
    text = ngettext(
        "“%(name)s” is %(type)s for %(n)s person.", "“%(name)s” is %(type)s for %(n)s people.", n
    )
    return text % {"name": name, "type": _TYPE_WORDS[kind], "n": intcomma(n)}


def _of_column(app_group: AppGroup, node: Condition) -> str:
    """Say how many people have a code or an id at all."""
    if node.field not in (*CODES, "external_id") or node.op in NO_VALUE:
        return ""
    with_value = Profile.objects.filter(app_group=app_group).exclude(
        Q(**{node.field: ""}) | Q(**{f"{node.field}__isnull": True})
    )
    n = with_value.count()
    if not n:
        return _("No one has this field.")
    text = ngettext(
        "%(n)s person has this field, with another value.",
        "%(n)s people have this field, with other values.",
        n,
    )
    return text % {"n": intcomma(n)}


def _matching_types(node: Condition) -> set[str]:
    """Return the types of values that the comparison can match."""
    if node.op in RELATIVE or node.op in ("greater", "less") and isinstance(node.value, str):
        return {DATE}
    if node.op in ("greater", "less"):
        return {"number"}
    if node.op in ("is_true", "is_false"):
        return {"boolean"}
    if node.op in ("contains", "starts_with"):
        return {"text", DATE, "list"} if node.op == "contains" else {"text", DATE}
    return {"text", DATE, "number"}


def _n_by_type(app_group: AppGroup, name: str) -> dict[str, int]:
    """Return type -> how many people have a value of this type; a text with a day is a date."""
    profiles = Profile.objects.filter(attribute_sql.exists(name), app_group=app_group).order_by()
    rows = profiles.values(kind=attribute_sql.AttributeKind(name)).annotate(
        n=Count("pk"), days=Count("pk", filter=Q(attribute_sql.holds_day(name)))
    )
    n_by_type: dict[str, int] = {}
    for row in rows:
        kind = catalogue.TYPES.get(row["kind"], "object")
        for type_, n in ((kind, row["n"] - row["days"]), (DATE, row["days"])):
            if n:
                n_by_type[type_] = n_by_type.get(type_, 0) + n
    return n_by_type


def _of_event(app_group: AppGroup, node: EventCondition, now: datetime) -> str:
    """Say which part of a condition on events fails first: name, time, properties or number."""
    if node.op not in (*COUNTED, "last_after", "first_after"):
        return ""
    name_q = Q(kind=node.kind, name=node.name) if node.name else Q(kind=node.kind)
    events = Event.objects.filter(name_q, app_group=app_group)
    newest = events.order_by("-at").values_list("at", flat=True).first()
    if newest is None:
        return _("No such event has arrived.")
    if node.op not in ("at_least", "exactly"):
        return ""
    recent_events = events
    if node.days is not None:
        recent_events = events.filter(at__gte=now - timedelta(days=node.days), at__lte=now)
        if newest < now - timedelta(days=node.days):
            text = ngettext(
                "No such event in the last 24 hours; the last one was on %(day)s.",
                "No such event in the last %(n)d days; the last one was on %(day)s.",
                node.days,
            )
            return text % {"n": node.days, "day": formats.date_format(newest, "DATE_FORMAT")}
    if node.where and not recent_events.filter(events_sql.of_event(node, now)).exists():
        return _("No such event has these properties.")
    return _("No one did it that often.") if node.n > 1 else ""
