"""A condition on a property of an event, as a form asks for it: ``where`` of the filters."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.people.masking import STARS
from audiencesync.people.segments import filters
from audiencesync.people.segments.words import is_personal

OPS = ("is", "is_not", "contains", "greater", "less", "is_true", "is_false", "exists", "missing")

NUMBER_OPS = {"greater": gettext_lazy("is greater than"), "less": gettext_lazy("is less than")}


def where(event: Mapping[str, Any], name: str, op: str, typed: str) -> list[dict[str, Any]]:
    """Return the condition of an event with this kind and name, or none. Raise FilterError.

    A typed number "is" a number or the same text: programs send both.
    """
    if not name:
        return []
    found = [_condition(name, op, value) for value in _values(op, typed)]
    if op == "is" and len(found) > 1:
        found = [{"property": name, "op": "in", "value": [one["value"] for one in found]}]
    filters.read({event["kind"]: event["name"], "op": "at_least", "n": 1, "where": found})
    return found


def _condition(name: str, op: str, value: Any) -> dict[str, Any]:
    found = {"property": name, "op": op}
    return found if op in filters.NO_VALUE else found | {"value": value}


def _values(op: str, typed: str) -> list[Any]:
    if op in ("contains", *filters.NO_VALUE):
        return [typed]
    try:
        number = float(typed.replace(",", "."))
    except ValueError:
        return [typed]
    if not isfinite(number):  # "nan" and "inf" are texts
        return [typed]
    as_number = int(number) if number.is_integer() else number
    return [as_number] if op in ("greater", "less") else [typed, as_number]


def shown(event: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return property, operator and value of each stored condition as they were typed."""
    stored = event.get("where")
    found = stored if isinstance(stored, list) else []
    return [_shown(one) for one in found if isinstance(one, dict) and one.get("property")]


def _shown(condition: Mapping[str, Any]) -> tuple[str, str, str]:
    value = condition.get("value", "")
    if isinstance(value, list):
        value = value[0] if value else ""
    op = condition.get("op", "is")
    return str(condition["property"]), "is" if op == "in" else str(op), str(value)


def masked(event: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the same as `shown`, for every reader: without personal data in the values."""
    return [(name, op, STARS if is_personal(value) else value) for name, op, value in shown(event)]


def words(event: Mapping[str, Any]) -> str:
    """Return the conditions in words, such as: total is greater than 50; empty without any."""
    return _(" and ").join(_words(*one) for one in masked(event))


def _words(name: str, op: str, value: str) -> str:
    text = _("%(property)s %(operator)s %(value)s")
    is_number = value.lstrip("-").replace(".", "", 1).isdecimal()
    operator = (NUMBER_OPS if is_number else {}).get(op) or filters.OPS.get(op, op)
    asked = {"property": name, "operator": operator, "value": value}
    return (text % asked).strip()
