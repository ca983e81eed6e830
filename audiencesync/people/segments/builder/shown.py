"""A stored filter as the tree of the builder; None if the builder cannot show all of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.formats import get_format

from audiencesync.people.segments.builder import draft
from audiencesync.people.segments.builder.draft import MAX_GROUP_LEVELS, Draft, Texts
from audiencesync.people.segments.nodes import (
    BOOLEAN,
    CUSTOM,
    FIELDS,
    MATCHES,
    PRESENT,
    Condition,
    EventCondition,
    FilterError,
    Group,
    Leaf,
    Node,
    SegmentCondition,
)
from audiencesync.people.segments.reader import read

LONGEST_VALUE = 4000


class NotShowable(Exception):
    """A filter that the builder cannot show."""


def tree_or_none(raw: Any) -> Draft | None:
    """Return the tree of a stored filter; None if the builder cannot show it."""
    try:
        tree = read(raw)
        root = tree if isinstance(tree, Group) else Group("all", (tree,))
        return draft.set_paths(_part(root, 1))
    except (FilterError, NotShowable):
        return None


def parts_of(raw: Any) -> dict[str, Any]:
    """Return place -> filter of each group and condition; empty if the builder cannot show it."""
    if tree_or_none(raw) is None or not raw:
        return {}
    is_group = raw.keys() <= set(MATCHES)
    return _raw_by_place(raw if is_group else {"all": [raw]}, draft.ROOT)


def _raw_by_place(raw: Any, place: str) -> dict[str, Any]:
    raw_by_place = {place: raw}
    for match in MATCHES:
        for i, part in enumerate(raw.get(match, [])):
            raw_by_place |= _raw_by_place(part, f"{place}.{i}")
    return raw_by_place


def _part(node: Node, depth: int) -> Draft:
    if not isinstance(node, Group):
        return _condition(node)
    if depth > MAX_GROUP_LEVELS:
        raise NotShowable
    return draft.group(node.match, [_part(part, depth + 1) for part in node.parts])


def _condition(leaf: Leaf) -> Draft:
    if isinstance(leaf, Condition):
        return Draft(_texts(leaf))
    if isinstance(leaf, EventCondition):
        return _event(leaf)
    if isinstance(leaf, SegmentCondition):
        return Draft({"kind": "segment", "op": leaf.op, "segment": leaf.segment})
    return Draft({"kind": "audience", "op": leaf.op, "audience": str(leaf.audience)})


def kind_of(leaf: Condition) -> str:
    """Return the kind of condition in the builder that shows a condition on a profile."""
    if leaf.field.startswith(CUSTOM):
        return "attribute"
    if leaf.field == "import":
        return "import"
    if FIELDS[leaf.field][1] == BOOLEAN:
        return "consent"
    is_identifier = leaf.field in ("email", "phone", "idfa", "gaid")
    return "identifier" if is_identifier and leaf.op in PRESENT else "field"


def _texts(leaf: Condition) -> Texts:
    return {
        "kind": kind_of(leaf),
        "field": leaf.field.removeprefix(CUSTOM),
        "op": leaf.op,
        "value": _value(leaf.value),
    }


def _event(leaf: EventCondition) -> Draft:
    texts = {
        "kind": leaf.kind,
        "event": leaf.name,
        "op": leaf.op,
        "n": str(leaf.n),
        "days": "" if leaf.days is None else str(leaf.days),
        "day": leaf.day,
    }
    where = [
        {"property": part.field, "compare": part.op, "amount": _value(part.value)}
        for part in leaf.where
    ]
    return Draft(texts, where=where)


def _value(value: Any) -> str:
    """Return a value as the text of its control. Raise NotShowable."""
    if value is None:
        return ""
    if isinstance(value, tuple):
        return _list(value)
    if isinstance(value, str):
        return value
    digits = f"{Decimal(repr(value)):f}"  # 0.00001, not 1e-05, which `typed` does not read
    return digits.replace(".", get_format("DECIMAL_SEPARATOR"))


def _list(values: tuple[Any, ...]) -> str:
    if any(";" in value for value in values if isinstance(value, str)):
        raise NotShowable
    texts = list(map(_value, values))
    # With a comma inside, semicolons separate: "1,5;" is a list of one.
    text = (
        "; ".join(texts) + ";" * (len(texts) == 1)
        if any("," in value for value in texts)
        else ", ".join(texts)
    )
    if len(text) > LONGEST_VALUE:
        raise NotShowable
    return text
