"""A filter in words: one sentence in the language of the reader."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from django.utils.formats import get_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audiencesync.people.segments import audiences, clauses
from audiencesync.people.segments.conditions_sql import EMAIL_HASH
from audiencesync.people.segments.nodes import (
    COLUMNS,
    CUSTOM,
    EVERYBODY,
    FIELDS,
    OF_DAYS,
    OF_NUMBERS,
    OPS,
    PERSONAL,
    PURCHASE,
    RELATIVE,
    AudienceCondition,
    Condition,
    EventCondition,
    Group,
    Node,
    SegmentCondition,
)
from audiencesync.people.segments.reader import read
from audiencesync.people.segments.uses import references
from audiencesync.people.segments.uses.references import ReferencedSegment

PHONE_DIGITS = 7
SHOWN_VALUES = 5
_LABELS = {"created_at": gettext_lazy("date of creation")}  # where the field's own does not fit


def describe(
    raw: object, *, masked: bool = False, segments: Mapping[str, ReferencedSegment] | None = None
) -> str:
    """Return a filter as "everybody whose ..."; ``masked`` hides e-mail addresses and ids.

    ``segments``: those it refers to, by api_id, if they are loaded already. Raise FilterError.
    """
    tree = read(raw)
    if tree in (EVERYBODY, Group("any")):
        return _("everybody")
    loaded = references.load([tree]) if segments is None else segments
    return _("everybody %(conditions)s") % {"conditions": _Sentence(masked, loaded).of(tree)}


def of_node(node: Node, *, masked: bool, segments: Mapping[str, ReferencedSegment]) -> str:
    """Return one condition or group in words, such as: whose country is DE."""
    return _Sentence(masked, segments).of(node)


class _Sentence:
    def __init__(self, masked: bool, segments: Mapping[str, ReferencedSegment]) -> None:
        self.masked, self.segments = masked, segments

    def of(self, node: Node, *, is_negated: bool = False, joint: str = "") -> str:
        """Return a part; ``joint``: the word ("and", "or") between it and the parts beside it."""
        if isinstance(node, Group):
            return self._group(node, is_negated=is_negated, joint=joint)
        if isinstance(node, Condition):
            return self._comparison(node, is_negated=is_negated)
        if isinstance(node, EventCondition):
            return clauses.of_event(node, self._event_name(node), is_negated=is_negated)
        return clauses.of_member(node, self._name(node), is_negated=is_negated)

    def _group(self, node: Group, *, is_negated: bool, joint: str) -> str:
        """Return the parts; "none" negates each of them, which reads better than the whole."""
        is_negated ^= node.match == "none"
        separator = _(" and ") if (node.match == "all") != is_negated else _(" or ")
        # A group of one part reads as that part, without brackets.
        inside = joint if len(node.parts) == 1 else separator
        text = separator.join(
            self.of(part, is_negated=is_negated, joint=inside) for part in node.parts
        )
        return text if inside == joint or not joint else f"({text})"

    def _comparison(self, node: Condition, *, is_negated: bool) -> str:
        is_column = node.field in FIELDS
        label = str(FIELDS[node.field][0]) if is_column else node.field.removeprefix(CUSTOM)
        value = self._value(node, is_column, hides=node.field in PERSONAL)
        if node.field == "import":
            value = ", ".join(map(str, _values_of(node)[:SHOWN_VALUES]))
        return clauses.of_profile(
            node, str(_LABELS.get(node.field, label)), value, is_negated=is_negated
        )

    def _value(self, node: Condition, is_column: bool, *, hides: bool = False) -> str:
        values = _values_of(node)
        if self.masked and (hides or not is_column and any(map(is_personal, values))):
            return "***"
        text = ", ".join(map(_value_words, values[:SHOWN_VALUES]))
        return text + (" …" if len(values) > SHOWN_VALUES else "")

    def _event_name(self, node: EventCondition) -> str:
        """Return the event or product, with its properties."""
        event_name = _("“%(text)s”") % {"text": node.name} if node.name else _("something")
        parts = [self._property(node.kind, part) for part in node.where]
        if not parts:
            return event_name
        return _("%(what)s (where %(conditions)s)") % {
            "what": event_name,
            "conditions": _(" and ").join(parts),
        }

    def _property(self, kind: str, part: Condition) -> str:
        is_column = kind == PURCHASE and part.field in COLUMNS
        label = str(COLUMNS[part.field]) if is_column else part.field
        if part.op in RELATIVE:
            return _relative(part.op, label, int(str(part.value)))
        labels = OF_DAYS if isinstance(part.value, str) else OF_NUMBERS
        op = labels.get(part.op, OPS[part.op])
        return f"{label} {op} {self._value(part, is_column)}".strip()

    def _name(self, node: SegmentCondition | AudienceCondition) -> str:
        if isinstance(node, SegmentCondition):
            segment = self.segments.get(node.segment)
            return segment.name if segment else node.segment
        return audiences.name(node.audience) or str(node.audience)


def _values_of(node: Condition) -> tuple[str | int | float, ...]:
    if node.value is None:
        return ()
    return node.value if isinstance(node.value, tuple) else (node.value,)


def _relative(op: str, label: str, n: int) -> str:
    if op == "more_than_days_ago":
        text = ngettext(
            "%(field)s is more than %(n)d day ago", "%(field)s is more than %(n)d days ago", n
        )
    elif op == "less_than_days_ago":
        text = ngettext(
            "%(field)s is less than %(n)d day ago", "%(field)s is less than %(n)d days ago", n
        )
    else:
        text = ngettext("%(field)s is today or tomorrow", "%(field)s is in the next %(n)d days", n)
    return text % {"field": label, "n": n}


def is_personal(value: object) -> bool:
    """Return whether a value may be an e-mail address or a phone number."""
    text = unicodedata.normalize("NFKC", str(value))
    return "@" in text or sum(character.isdigit() for character in text) >= PHONE_DIGITS


def _value_words(value: object) -> str:
    if EMAIL_HASH.fullmatch(str(value)):
        return _("a whole address, of which only the hash is kept")
    if isinstance(value, str):
        return _("“%(text)s”") % {"text": value}
    return str(value).replace(".", get_format("DECIMAL_SEPARATOR"))
