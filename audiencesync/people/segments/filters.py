"""Read the filter language of segments, splits and previews: JSON -> a tree -> Q, or words.

A filter is ``{}`` (all profiles), ``{"all": [...]}``, ``{"any": [...]}`` or a condition
``{"field": "country", "op": "is", "value": "DE"}``. Days are in UTC. A missing value "is not" any
value.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils.formats import get_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.people.identifiers import normalise
from audiencesync.people.models import KINDS, Profile, Segment
from audiencesync.people.models.imports import ImportMember
from audiencesync.people.parsers import numbers, spellings
from audiencesync.people.parsers.days import day
from audiencesync.people.segments import attribute_sql

MAX_DEPTH, MAX_NODES, MAX_LIST, MAX_LISTED, MAX_TEXT = 5, 100, 1000, 10_000, 255
MAX_NUMBER = 2**53  # beyond it the databases round differently
CUSTOM = "custom."
PERSONAL = frozenset({"external_id", "email"})
PHONE_DIGITS = 7
Scalar = str | int | float
LONGEST_NAME = 255
HASH = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)  # stands for a whole e-mail address
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_IMPORT = re.compile(r"[0-9]{1,18}", re.ASCII)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?", re.ASCII)

OPS: dict[str, str | Promise] = {
    "is": gettext_lazy("is"),
    "is_not": gettext_lazy("is not"),
    "contains": gettext_lazy("contains"),
    "starts_with": gettext_lazy("starts with"),
    "greater": gettext_lazy("is greater than, or after"),
    "less": gettext_lazy("is less than, or before"),
    "is_true": gettext_lazy("is true"),
    "is_false": gettext_lazy("is false"),
    "exists": gettext_lazy("exists"),
    "missing": gettext_lazy("does not exist"),
    "in": gettext_lazy("is one of"),
}
_OF_DAYS = {"greater": gettext_lazy("is after"), "less": gettext_lazy("is before")}
_OF_NUMBERS = {"greater": gettext_lazy("is greater than"), "less": gettext_lazy("is less than")}
NO_VALUE = frozenset({"is_true", "is_false", "exists", "missing"})
_PRESENT = frozenset({"exists", "missing"})
_CODES = {"country": spellings.country, "language": spellings.language}  # parsers of stored codes
_TEXT = frozenset({"is", "is_not", "contains", "starts_with", "in"}) | _PRESENT
_TRUTH = frozenset({"is_true", "is_false"}) | _PRESENT

FIELDS: dict[str, tuple[str | Promise, frozenset[str]]] = {
    "external_id": (gettext_lazy("external ID"), _TEXT - _PRESENT),
    "email": (gettext_lazy("e-mail"), frozenset({"contains"}) | _PRESENT),
    "phone": (gettext_lazy("phone"), _PRESENT),
    "idfa": (gettext_lazy("iOS IDFA"), _PRESENT),
    "gaid": (gettext_lazy("Android GAID"), _PRESENT),
    "country": (gettext_lazy("country"), _TEXT),
    "language": (gettext_lazy("language"), _TEXT),
    "ad_tracking_enabled": (gettext_lazy("ad tracking enabled"), _TRUTH),
    "ads_consent": (gettext_lazy("consent to advertising"), _TRUTH),
    "created_at": (gettext_lazy("created on"), frozenset({"greater", "less"})),
    "import": (gettext_lazy("number of the CSV import"), frozenset({"is", "is_not", "in"})),
}


class FilterError(ValueError):
    """An error in a filter: ``path`` such as ``all[2].value``, ``message`` in words."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path, self.message = path, message


@dataclass(frozen=True, slots=True)
class Condition:
    """A valid comparison."""

    field: str
    op: str
    value: Scalar | tuple[Scalar, ...] | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """All or any of its parts; without parts it matches all profiles."""

    match: str
    parts: tuple[Group | Condition, ...] = ()


EVERYBODY = Group("all")


class _Reader:
    """Validates a filter and builds its tree. Use a new one for each filter: it counts nodes."""

    def __init__(self) -> None:
        self.nodes = self.listed = 0

    def node(self, raw: object, path: str, depth: int) -> Group | Condition:
        """Read one group or condition."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise FilterError(path, _("There are more than %(n)d conditions.") % {"n": MAX_NODES})
        if not isinstance(raw, dict):
            raise FilterError(path, _("This is not a condition."))
        for match in ("all", "any"):
            if raw.keys() == {match}:
                return self._group(match, raw[match], path, depth)
        return self._condition(raw, path)

    def _group(self, match: str, parts: object, path: str, depth: int) -> Group:
        if depth > MAX_DEPTH:
            raise FilterError(
                path, _("Conditions are nested more than %(n)d deep.") % {"n": MAX_DEPTH}
            )
        if not isinstance(parts, list) or (not parts and depth > 1):
            raise FilterError(path, _("“%(match)s” needs a list of conditions.") % {"match": match})
        start = f"{path}." if path else ""
        return Group(
            match,
            tuple(
                self.node(part, f"{start}{match}[{i}]", depth + 1) for i, part in enumerate(parts)
            ),
        )

    def _condition(self, raw: dict[str, Any], path: str) -> Condition:
        if not {"field", "op"} <= raw.keys() <= {"field", "op", "value"}:
            raise FilterError(path, _("A condition has a field, an operator and a value."))
        field, op, value = raw["field"], raw["op"], raw.get("value")
        allowed = ops_of(field)
        if allowed is None:
            raise FilterError(_at(path, "field"), _("There is no such field."))
        if not isinstance(op, str) or op not in allowed:
            raise FilterError(_at(path, "op"), _("This field cannot be compared like that."))
        if op in NO_VALUE:
            if value is not None:
                raise FilterError(_at(path, "value"), _("This comparison takes no value."))
            return Condition(field, op)
        return Condition(field, op, self._value(field, op, value, _at(path, "value")))

    def _value(self, field: str, op: str, value: object, path: str) -> Scalar | tuple[Scalar, ...]:
        custom = field.startswith(CUSTOM)
        if op == "in":
            if not isinstance(value, list) or not 1 <= len(value) <= MAX_LIST:
                raise FilterError(
                    path, _("This needs a list of 1 to %(n)d values.") % {"n": MAX_LIST}
                )
            self.listed += len(value)
            if self.listed > MAX_LISTED:
                raise FilterError(
                    path, _("The lists hold more than %(n)d values.") % {"n": MAX_LISTED}
                )
            listed = tuple(
                _scalar(one, f"{path}[{i}]", numbers=custom) for i, one in enumerate(value)
            )
            return _import_numbers(listed, path) if field == "import" else listed
        if op in ("greater", "less"):
            return _amount(value, path, numbers=custom)
        scalar = _scalar(value, path, numbers=custom and op in ("is", "is_not"))
        return _import_numbers((scalar,), path)[0] if field == "import" else scalar


def _at(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def ops_of(field: object) -> frozenset[str] | None:
    """Return the operators of a field; None if there is no such field."""
    if not isinstance(field, str):
        return None
    if field in FIELDS:
        return FIELDS[field][1]
    if field.startswith(CUSTOM) and _is_name(field.removeprefix(CUSTOM)):
        return frozenset(OPS)
    return None


def _is_name(name: str) -> bool:
    """Whether the API and imports would store an attribute of this name."""
    return 0 < len(name) <= LONGEST_NAME and not _UNSTORABLE.search(name)


def _scalar(value: object, path: str, *, numbers: bool) -> Scalar:
    """Return a text, or a number if ``numbers`` are allowed."""
    if isinstance(value, str):
        if not value or len(value) > MAX_TEXT:
            raise FilterError(path, _("This needs 1 to %(n)d characters.") % {"n": MAX_TEXT})
        if _UNSTORABLE.search(value):
            raise FilterError(path, _("This holds a character that cannot be stored."))
        return value
    if numbers and isinstance(value, int | float) and not isinstance(value, bool):
        if not abs(value) <= MAX_NUMBER:  # also refuses NaN
            raise FilterError(path, _("This number is too big."))
        return value
    raise FilterError(
        path, _("This needs a number or a text.") if numbers else _("This needs a text.")
    )


def _amount(value: object, path: str, *, numbers: bool) -> Scalar:
    """Return a number, or a day such as 2026-11-23."""
    scalar = _scalar(value, path, numbers=numbers)
    if isinstance(scalar, str):
        try:
            day = date.fromisoformat(scalar)
        except ValueError:
            day = None
        if day is None or day.isoformat() != scalar or not 1900 <= day.year <= 2200:
            words = _("This needs a number, or a date such as 2026-11-23.")
            raise FilterError(
                path, words if numbers else _("This needs a date such as 2026-11-23.")
            )
    return scalar


def _import_numbers(values: tuple[Scalar, ...], path: str) -> tuple[Scalar, ...]:
    if not all(_IMPORT.fullmatch(str(value)) for value in values):
        raise FilterError(path, _("This needs the number of a CSV import, such as 12."))
    return values


def read(raw: object) -> Group | Condition:
    """Return the tree of a filter. Raise FilterError."""
    return EVERYBODY if raw is None or raw == {} else _Reader().node(raw, "", 1)


def imports_in(raw: object) -> set[int]:
    """Return the numbers of the CSV imports in a filter; none if it cannot be read."""
    return {int(value) for value in values_of(raw, "import")}


def size(raw: object) -> int:
    """Return how many values a filter compares with; 0 if it cannot be read."""
    try:
        return _size(read(raw))
    except FilterError:
        return 0


def _size(node: Group | Condition) -> int:
    if isinstance(node, Group):
        return sum(map(_size, node.parts))
    return len(node.value) if isinstance(node.value, tuple) else 1


def values_of(raw: object, field: str) -> list[str]:
    """Return the values that a filter compares a field with; none if it cannot be read."""
    try:
        return list(_values(read(raw), field))
    except FilterError:
        return []


def _values(node: Group | Condition, field: str) -> Iterator[str]:
    if isinstance(node, Group):
        for part in node.parts:
            yield from _values(part, field)
    elif node.field == field and node.value is not None:
        yield from map(str, node.value if isinstance(node.value, tuple) else (node.value,))


def parse(raw: object) -> Q:
    """Return the query of a filter. Raise FilterError."""
    return _q(read(raw))


def members(segment: Segment) -> QuerySet[Profile]:
    """Return the profiles in a segment now. Raise FilterError if its filter is invalid."""
    return Profile.objects.filter(parse(segment.filter), app_group=segment.app_group_id)


def _q(node: Group | Condition) -> Q:
    if isinstance(node, Condition):
        return _custom_q(node) if node.field.startswith(CUSTOM) else _column_q(node)
    return (
        reduce(and_ if node.match == "all" else or_, map(_q, node.parts), Q())
        if node.parts
        else Q()
    )


def _column_q(node: Condition) -> Q:
    """Return the query of a condition on a column of the profile."""
    field, op, value = node.field, node.op, node.value
    if field == "import":
        numbers = [
            int(one) for one in (value if isinstance(value, tuple) else (value,)) if one is not None
        ]
        imported = Q(pk__in=ImportMember.objects.filter(run_id__in=numbers).values("profile_id"))
        return ~imported if op == "is_not" else imported
    if op in _PRESENT:
        if FIELDS[field][1] == _TRUTH:
            return Q(**{f"{field}__isnull": op == "missing"})
        there = ~Q(**{field: ""}) | (
            Q(**{f"{field}_sha256__isnull": False}) if field in KINDS else Q()
        )
        return there if op == "exists" else ~there
    if op in ("is_true", "is_false"):
        return Q(**{field: op == "is_true"})
    if op in ("greater", "less"):
        midnight = datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
        return Q(
            **{f"{field}__gte": midnight + timedelta(days=1)}
            if op == "greater"
            else {f"{field}__lt": midnight}
        )
    if op in ("contains", "starts_with"):
        found = Q(getattr(attribute_sql, op)(F(field), str(value)))
        digest = whole_email(value) if field == "email" else None
        return found | Q(email_sha256=digest) if digest else found
    same = _same_column(field, value if isinstance(value, tuple) else (value,))
    return ~same if op == "is_not" else same


def _same_column(field: str, values: tuple[Scalar | None, ...]) -> Q:
    """Compare a column with values. External ids are case-sensitive: another case, another id."""
    texts = [str(value) for value in values]
    if field == "external_id":
        return Q(external_id__in=texts)
    codes = [code for code in map(_CODES[field], texts) if code] if field in _CODES else []
    return Q(attribute_sql.is_one_of(F(field), [*texts, *codes]))


def whole_email(value: object) -> bytes | None:
    """Return the hash of a whole address, for profiles stored as hashes; None for a part of one."""
    if stored := HASH.fullmatch(str(value)):
        return bytes.fromhex(stored[1])
    return normalise.normalise("email", str(value), region="").sha256


def _custom_q(node: Condition) -> Q:
    """Return the query of a condition on a custom attribute."""
    name, value = node.field.removeprefix(CUSTOM), node.value
    if node.op in ("contains", "starts_with"):
        parts = {str(value), day(str(value)) or str(value)}
        found = (
            Q(getattr(attribute_sql, node.op)(attribute_sql.AttributeText(name), part))
            for part in sorted(parts)
        )
        return reduce(or_, found)
    if node.op in ("greater", "less"):
        amount = value if isinstance(value, int | float) else str(value)
        return Q(attribute_sql.compare(name, amount, greater=node.op == "greater"))
    if node.op in ("is_true", "is_false"):
        return Q(attribute_sql.has_kind(name, node.op.removeprefix("is_")))
    if node.op in _PRESENT:
        there = Q(attribute_sql.exists(name))
        return there if node.op == "exists" else ~there
    same = _same(name, value if isinstance(value, tuple) else (value,))
    return ~same if node.op == "is_not" else same


def _same(name: str, values: tuple[Scalar | None, ...]) -> Q:
    """Compare an attribute with values; a text that reads as a number or a day also matches it."""
    texts = [value for value in values if isinstance(value, str)]
    amounts = [value for value in values if isinstance(value, int | float)]
    amounts += [amount for amount in map(_number, texts) if amount is not None]
    days = [found for found in map(day, texts) if found]
    if name == "gender":
        texts += [code for code in map(spellings.gender, texts) if code]
    found = Q(attribute_sql.is_text(name, texts)) if texts else Q()
    found = found | Q(attribute_sql.is_day(name, days)) if days else found
    return found | Q(attribute_sql.is_number(name, amounts)) if amounts else found


def _number(text: str) -> int | float | None:
    """Return the number that a text means in any language; None if there is none."""
    if _NUMBER.fullmatch(text):
        plain: int | float = json.loads(text)
        return plain
    return numbers.sure(text)


def describe(raw: object, *, masked: bool = False) -> str:
    """Return a filter in words; ``masked`` hides e-mail addresses and ids. Raise FilterError."""
    tree = read(raw)
    if tree == EVERYBODY or tree == Group("any"):
        return _("everybody")
    return _words(tree, outermost=True, masked=masked)


def _words(node: Group | Condition, *, masked: bool, outermost: bool = False) -> str:
    if isinstance(node, Condition):
        return _condition_words(node, masked=masked)
    joint = _(" and ") if node.match == "all" else _(" or ")
    words = joint.join(_words(part, masked=masked) for part in node.parts)
    return words if outermost or len(node.parts) == 1 else f"({words})"


def _condition_words(node: Condition, *, masked: bool) -> str:
    label = str(FIELDS[node.field][0]) if node.field in FIELDS else node.field.removeprefix(CUSTOM)
    op = (_OF_DAYS if isinstance(node.value, str) else _OF_NUMBERS).get(node.op, OPS[node.op])
    if node.value is None:
        return f"{label} {op}"
    listed = node.value if isinstance(node.value, tuple) else (node.value,)
    if masked and (
        node.field in PERSONAL or node.field.startswith(CUSTOM) and any(map(_is_personal, listed))
    ):
        return f"{label} {op} ***"
    shown = ", ".join(map(_value_words, listed[:5]))
    return f"{label} {op} {shown}" + (" …" if len(listed) > 5 else "")


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
