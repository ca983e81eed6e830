"""A filter in words: one sentence in the language of the reader."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from django.utils.formats import get_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audiencesync.people.segments import audiences, references
from audiencesync.people.segments.conditions_sql import HASH
from audiencesync.people.segments.nodes import (
    COLUMNS,
    CUSTOM,
    EVENT,
    EVERYBODY,
    FIELDS,
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
from audiencesync.people.segments.references import Known

PHONE_DIGITS = 7
SHOWN_VALUES = 5
_OF_DAYS = {"greater": gettext_lazy("is after"), "less": gettext_lazy("is before")}
_OF_NUMBERS = {"greater": gettext_lazy("is greater than"), "less": gettext_lazy("is less than")}


def describe(raw: object, *, masked: bool = False, known: Mapping[str, Known] | None = None) -> str:
    """Return a filter in words; ``masked`` hides e-mail addresses and ids. Raise FilterError.

    ``known``: the segments it refers to, where they are loaded already.
    """
    tree = read(raw)
    if tree in (EVERYBODY, Group("any")):
        return _("everybody")
    names = references.load([tree]) if known is None else known
    return _Words(masked, names).of(tree, outermost=True)


class _Words:
    def __init__(self, masked: bool, known: Mapping[str, Known]) -> None:
        self.masked, self.known = masked, known

    def of(self, node: Node, *, outermost: bool = False) -> str:
        if isinstance(node, Group):
            return self._group(node, outermost=outermost)
        if isinstance(node, Condition):
            return self._comparison(node, node.field.removeprefix(CUSTOM))
        if isinstance(node, EventCondition):
            return self._event(node)
        return self._member(node)

    def _group(self, node: Group, *, outermost: bool) -> str:
        joint = _(" and ") if node.match == "all" else _(" or ")
        words = joint.join(map(self.of, node.parts))
        if node.match == "none":
            return _("not (%(conditions)s)") % {"conditions": words}
        return words if outermost or len(node.parts) == 1 else f"({words})"

    def _comparison(self, node: Condition, name: str) -> str:
        label = str(FIELDS[node.field][0]) if node.field in FIELDS else name
        return self._compared(node, label, node.field in PERSONAL, node.field in FIELDS)

    def _compared(self, node: Condition, label: str, is_personal: bool, is_column: bool) -> str:
        if node.op in RELATIVE:
            return _relative(node.op, label, int(str(node.value)))
        op = (_OF_DAYS if isinstance(node.value, str) else _OF_NUMBERS).get(node.op, OPS[node.op])
        if node.value is None:
            return f"{label} {op}"
        listed = node.value if isinstance(node.value, tuple) else (node.value,)
        if self.masked and (is_personal or not is_column and any(map(_is_personal, listed))):
            return f"{label} {op} ***"
        shown = ", ".join(map(_value_words, listed[:SHOWN_VALUES]))
        return f"{label} {op} {shown}" + (" …" if len(listed) > SHOWN_VALUES else "")

    def _event(self, node: EventCondition) -> str:
        return _("%(what)s %(how_often)s") % {"what": self._what(node), "how_often": _often(node)}

    def _what(self, node: EventCondition) -> str:
        """Return the event or purchase, with its properties."""
        if node.kind == EVENT:
            what = _("event “%(name)s”") % {"name": node.name}
        elif node.name:
            what = _("purchase of “%(product)s”") % {"product": node.name}
        else:
            what = _("purchase")
        parts = [self._property(node.kind, part) for part in node.where]
        if not parts:
            return what
        return _("%(what)s (where %(conditions)s)") % {
            "what": what,
            "conditions": _(" and ").join(parts),
        }

    def _property(self, kind: str, part: Condition) -> str:
        is_column = kind == PURCHASE and part.field in COLUMNS
        label = str(COLUMNS[part.field]) if is_column else part.field
        return self._compared(part, label, False, is_column)

    def _member(self, node: SegmentCondition | AudienceCondition) -> str:
        if isinstance(node, SegmentCondition):
            other = self.known.get(node.segment)
            words = (
                _("in the segment “%(name)s”")
                if node.op == "in"
                else _("not in the segment “%(name)s”")
            )
            return words % {"name": other.name if other else node.segment}
        words = (
            _("in the audience “%(name)s”")
            if node.op == "in"
            else _("not in the audience “%(name)s”")
        )
        return words % {"name": audiences.name(node.audience) or node.audience}


def _relative(op: str, label: str, n: int) -> str:
    if op == "more_than_days_ago":
        words = ngettext(
            "%(field)s is more than %(n)d day ago", "%(field)s is more than %(n)d days ago", n
        )
    elif op == "less_than_days_ago":
        words = ngettext(
            "%(field)s is less than %(n)d day ago", "%(field)s is less than %(n)d days ago", n
        )
    else:
        words = ngettext("%(field)s is today or tomorrow", "%(field)s is in the next %(n)d days", n)
    return words % {"field": label, "n": n}


def _often(node: EventCondition) -> str:
    if node.op.startswith(("first", "last")):
        return _first_or_last(node)
    n = node.n
    if node.op == "never" or (n == 0 and node.op != "at_least"):
        times = _("never")
    elif node.op == "at_least":
        times = ngettext("at least once", "at least %(n)d times", n) % {"n": n}
    elif node.op == "at_most":
        times = ngettext("at most once", "at most %(n)d times", n) % {"n": n}
    else:
        times = ngettext("exactly once", "exactly %(n)d times", n) % {"n": n}
    if node.days is None:
        return times
    days = ngettext(
        "%(times)s in the last 24 hours", "%(times)s in the last %(days)d days", node.days
    )
    return days % {"times": times, "days": node.days}


def _first_or_last(node: EventCondition) -> str:
    if node.day:
        words = {
            "first_before": _("for the first time before %(day)s"),
            "first_after": _("for the first time after %(day)s"),
            "last_before": _("for the last time before %(day)s"),
            "last_after": _("for the last time after %(day)s"),
        }
        return words[node.op] % {"day": node.day}
    n = node.days or 0
    ago = {
        "first_before": ngettext(
            "for the first time more than %(n)d day ago",
            "for the first time more than %(n)d days ago",
            n,
        ),
        "first_after": ngettext(
            "for the first time less than %(n)d day ago",
            "for the first time less than %(n)d days ago",
            n,
        ),
        "last_before": ngettext(
            "for the last time more than %(n)d day ago",
            "for the last time more than %(n)d days ago",
            n,
        ),
        "last_after": ngettext(
            "for the last time less than %(n)d day ago",
            "for the last time less than %(n)d days ago",
            n,
        ),
    }
    return ago[node.op] % {"n": n}


def _is_personal(value: object) -> bool:
    """Whether a value may be an e-mail address or a phone number."""
    text = unicodedata.normalize("NFKC", str(value))
    return "@" in text or sum(character.isdigit() for character in text) >= PHONE_DIGITS


def _value_words(value: object) -> str:
    if HASH.fullmatch(str(value)):
        return _("a whole address, of which only the hash is kept")
    if isinstance(value, str):
        return _("“%(text)s”") % {"text": value}
    return str(value).replace(".", get_format("DECIMAL_SEPARATOR"))
