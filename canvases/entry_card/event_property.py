"""Conditions on properties of events: from the texts of a form to ``where`` of filters and back."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.people.masking import STARS
from audiencesync.people.segments import filters
from audiencesync.people.segments.nodes import MAX_NUMBER
from audiencesync.people.segments.words import is_personal

OPS = ("is", "is_not", "contains", "greater", "less", "is_true", "is_false", "exists", "missing")

NUMBER_OPS = {"greater": gettext_lazy("is greater than"), "less": gettext_lazy("is less than")}


def where(event_filter: Mapping[str, Any], name: str, op: str, typed: str) -> list[dict[str, Any]]:
    """Return a typed condition in a list; an empty one without a name. Raise FilterError.

    ``event_filter``: kind and name of the event that it is for. A typed number "is" a number or the
    same text: programs send both.
    """
    if not name:
        return []
    conditions = [_condition(name, op, value) for value in _values(op, typed)]
    if op == "is" and len(conditions) > 1:
        values = [condition["value"] for condition in conditions]
        conditions = [{"property": name, "op": "in", "value": values}]
    # Read a filter of people who did such an event, only to check the conditions.
    did_event = {event_filter["kind"]: event_filter["name"], "op": "at_least", "n": 1}
    filters.read(did_event | {"where": conditions})
    return conditions


def _condition(name: str, op: str, value: Any) -> dict[str, Any]:
    condition = {"property": name, "op": op}
    return condition if op in filters.NO_VALUE else condition | {"value": value}


def _values(op: str, typed: str) -> list[Any]:
    """Return the values that a typed one may mean: the text, the number, or both."""
    if op in ("contains", *filters.NO_VALUE):
        return [typed]
    try:
        number = float(typed.replace(",", "."))
    except ValueError:
        return [typed]
    if not isfinite(number) or "_" in typed:  # "nan", "inf" and "10_00" are texts
        return [typed]
    as_number = int(number) if number.is_integer() else number
    if op in ("greater", "less"):
        return [as_number]
    # A number of this size is a long ID: no filter takes it, and the float has rounded it.
    return [typed] if abs(number) >= MAX_NUMBER else [typed, as_number]


def as_typed(event_filter: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (property, operator, value) of each stored condition as they were typed."""
    raw = event_filter.get("where")
    conditions = raw if isinstance(raw, list) else []
    return [
        _as_typed(condition)
        for condition in conditions
        if isinstance(condition, dict) and condition.get("property")
    ]


def _as_typed(condition: Mapping[str, Any]) -> tuple[str, str, str]:
    value = condition.get("value", "")
    if isinstance(value, list):
        value = value[0] if value else ""
    op = condition.get("op", "is")
    return str(condition["property"]), "is" if op == "in" else str(op), str(value)


def masked_conditions(event_filter: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the conditions as `as_typed` does, but without personal data in the values."""
    return [
        (name, op, STARS if is_personal(value) else value)
        for name, op, value in as_typed(event_filter)
    ]


def words(event_filter: Mapping[str, Any]) -> str:
    """Return the conditions in words, such as: total is greater than 50; empty without any."""
    return _(" and ").join(_words(*condition) for condition in masked_conditions(event_filter))


def _words(name: str, op: str, value: str) -> str:
    text = _("%(property)s %(operator)s %(value)s")
    is_number = value.lstrip("-").replace(".", "", 1).isdecimal()
    operator = (NUMBER_OPS if is_number else {}).get(op) or filters.OPS.get(op, op)
    params = {"property": name, "operator": operator, "value": value}
    return (text % params).strip()
