"""Validate a filter and build its tree: JSON -> nodes, or an error with its path."""

from __future__ import annotations

import re
from datetime import date
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from audiencesync.people.segments.nodes import (
    COLUMN_OPS,
    COUNTED,
    CUSTOM,
    EVENT,
    EVENT_OPS,
    EVERYBODY,
    FIELDS,
    LONGEST_NAME,
    MATCHES,
    MAX_DAYS,
    MAX_DEPTH,
    MAX_LIST,
    MAX_LISTED,
    MAX_NODES,
    MAX_NUMBER,
    MAX_TEXT,
    MAX_TIMES,
    MAX_WHERE,
    MEMBER_OPS,
    NO_VALUE,
    OPS,
    PURCHASE,
    RELATIVE,
    AudienceCondition,
    Condition,
    EventCondition,
    FilterError,
    Group,
    Node,
    Scalar,
    SegmentCondition,
)

BIGGEST_ID = 2**63 - 1
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL refuses NUL and lone surrogates
_IMPORT_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)  # 18 digits are less than BIGGEST_ID
FIRST_YEAR, LAST_YEAR = 1900, 2200


def read(raw: object) -> Node:
    """Return the tree of a filter. Raise FilterError."""
    return EVERYBODY if raw is None or raw == {} else _Reader().node(raw, "", 1)


def ops_of(field: object) -> frozenset[str] | None:
    """Return the operators of a field; None if there is no such field."""
    if not isinstance(field, str):
        return None
    if field in FIELDS:
        return FIELDS[field][1]
    if field.startswith(CUSTOM) and _is_storable_name(field.removeprefix(CUSTOM)):
        return frozenset(OPS)
    return None


def property_ops(kind: str, name: object) -> frozenset[str] | None:
    """Return the operators of a property of an event or purchase; None if it cannot exist."""
    if not isinstance(name, str) or not _is_storable_name(name):
        return None
    if kind == PURCHASE and name in COLUMN_OPS:
        return COLUMN_OPS[name]
    return frozenset(OPS)


class _Reader:
    """Counts nodes and listed values: use a new one for each filter."""

    def __init__(self) -> None:
        self.n_nodes = self.n_listed = 0

    def node(self, raw: object, path: str, depth: int) -> Node:
        """Read one group or condition."""
        self._count(path)
        if not isinstance(raw, dict):
            raise FilterError(path, _("This is not a condition."))
        for match in MATCHES:
            if raw.keys() == {match}:
                return self._group(match, raw[match], path, depth)
        if EVENT in raw or PURCHASE in raw:
            return self._event(raw, path)
        if "segment" in raw:
            return _segment(raw, path)
        if "audience" in raw:
            return _audience(raw, path)
        return self._condition(raw, path)

    def _count(self, path: str) -> None:
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            raise FilterError(path, _("There are more than %(n)d conditions.") % {"n": MAX_NODES})

    def _group(self, match: str, parts: object, path: str, depth: int) -> Group:
        if depth > MAX_DEPTH:
            raise FilterError(
                path, _("Conditions are nested more than %(n)d deep.") % {"n": MAX_DEPTH}
            )
        # Only the outermost "all" or "any" may be empty: it matches everybody.
        may_be_empty = depth == 1 and match != "none"
        if not isinstance(parts, list) or (not parts and not may_be_empty):
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
        allowed_ops = ops_of(raw["field"])
        if allowed_ops is None:
            raise FilterError(_join_path(path, "field"), _("There is no such field."))
        return self._comparison(raw["field"], allowed_ops, raw, path)

    def _comparison(
        self, name: str, allowed_ops: frozenset[str], raw: dict[str, Any], path: str
    ) -> Condition:
        op, value = raw["op"], raw.get("value")
        if not isinstance(op, str) or op not in allowed_ops:
            raise FilterError(_join_path(path, "op"), _("This field cannot be compared like that."))
        if op in NO_VALUE:
            if value is not None:
                raise FilterError(_join_path(path, "value"), _("This comparison takes no value."))
            return Condition(name, op)
        value_path = _join_path(path, "value")
        if op in RELATIVE:
            return Condition(name, op, _whole_number(value, value_path, least=1, most=MAX_DAYS))
        return Condition(name, op, self._value(name, op, value, value_path))

    def _value(self, field: str, op: str, value: object, path: str) -> Scalar | tuple[Scalar, ...]:
        # The fields of a profile are texts and days; attributes may be numbers, too.
        takes_numbers = field not in FIELDS
        if op == "in":
            if not isinstance(value, list) or not 1 <= len(value) <= MAX_LIST:
                raise FilterError(
                    path, _("This needs a list of 1 to %(n)d values.") % {"n": MAX_LIST}
                )
            self.n_listed += len(value)
            if self.n_listed > MAX_LISTED:
                raise FilterError(
                    path, _("The lists hold more than %(n)d values.") % {"n": MAX_LISTED}
                )
            values = tuple(
                _scalar(item, f"{path}[{i}]", numbers=takes_numbers) for i, item in enumerate(value)
            )
            if field == "import":
                _check_import_numbers(values, path)
            return values
        if op in ("greater", "less"):
            return _number_or_day(value, path, numbers=takes_numbers)
        scalar = _scalar(value, path, numbers=takes_numbers and op in ("is", "is_not"))
        if field == "import":
            _check_import_numbers((scalar,), path)
        return scalar

    def _event(self, raw: dict[str, Any], path: str) -> EventCondition:
        kind = EVENT if EVENT in raw else PURCHASE
        if not raw.keys() <= {kind, "op", "n", "days", "day", "where"}:
            raise FilterError(path, _("A condition on events has no such parts."))
        name, op = raw[kind], raw.get("op")
        may_be_empty = kind == PURCHASE
        if not isinstance(name, str) or not (
            _is_storable_name(name) or (may_be_empty and name == "")
        ):
            raise FilterError(
                _join_path(path, kind),
                _("This needs the name of an event.")
                if kind == EVENT
                else _("This needs a product, or an empty text for any purchase."),
            )
        if not isinstance(op, str) or op not in EVENT_OPS:
            raise FilterError(_join_path(path, "op"), _("Events cannot be compared like that."))
        n, days, day = _read_times(raw, op, path)
        return EventCondition(kind, name, op, n, days, day, self._where(kind, raw, path))

    def _where(self, kind: str, raw: dict[str, Any], path: str) -> tuple[Condition, ...]:
        parts, where_path = raw.get("where", []), _join_path(path, "where")
        if not isinstance(parts, list) or len(parts) > MAX_WHERE:
            raise FilterError(
                where_path, _("This needs a list of at most %(n)d properties.") % {"n": MAX_WHERE}
            )
        return tuple(
            self._property(kind, part, f"{where_path}[{i}]") for i, part in enumerate(parts)
        )

    def _property(self, kind: str, raw: object, path: str) -> Condition:
        self._count(path)
        if not isinstance(raw, dict) or not (
            {"property", "op"} <= raw.keys() <= {"property", "op", "value"}
        ):
            raise FilterError(path, _("This needs a property, an operator and a value."))
        allowed = property_ops(kind, raw["property"])
        if allowed is None:
            raise FilterError(_join_path(path, "property"), _("There is no such property."))
        condition = self._comparison(raw["property"], allowed, raw, path)
        if kind == PURCHASE and condition.field in ("price", "quantity"):
            values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
            if any(isinstance(value, str) for value in values):
                raise FilterError(_join_path(path, "value"), _("This needs a number."))
        return condition


def _read_times(raw: dict[str, Any], op: str, path: str) -> tuple[int, int | None, str]:
    """Return (n, days, day) of a condition on events: fields of EventCondition."""
    days = raw.get("days")
    if days is not None:
        days = _whole_number(days, _join_path(path, "days"), least=1, most=MAX_DAYS)
    if op in COUNTED:
        if "day" in raw:
            raise FilterError(_join_path(path, "day"), _("This comparison takes no day."))
        least = 0 if op != "at_least" else 1
        return (
            _whole_number(raw.get("n"), _join_path(path, "n"), least=least, most=MAX_TIMES),
            days,
            "",
        )
    if "n" in raw:
        raise FilterError(_join_path(path, "n"), _("This comparison takes no number of times."))
    if op == "never":
        if "day" in raw:
            raise FilterError(_join_path(path, "day"), _("This comparison takes no day."))
        return 0, days, ""
    if (days is None) == ("day" not in raw):
        raise FilterError(path, _("This needs either a day or a number of days ago."))
    return (
        0,
        days,
        str(_number_or_day(raw["day"], _join_path(path, "day"), numbers=False))
        if days is None
        else "",
    )


def _segment(raw: dict[str, Any], path: str) -> SegmentCondition:
    _check_operator(raw, "segment", path)
    try:
        api_id = UUID(raw["segment"]) if isinstance(raw["segment"], str) else None
    except ValueError:
        api_id = None
    if api_id is None:
        raise FilterError(_join_path(path, "segment"), _("This needs the API id of a segment."))
    return SegmentCondition(str(api_id), raw["op"])


def _audience(raw: dict[str, Any], path: str) -> AudienceCondition:
    _check_operator(raw, "audience", path)
    number = _whole_number(raw["audience"], _join_path(path, "audience"), least=1, most=BIGGEST_ID)
    return AudienceCondition(number, raw["op"])


def _check_operator(raw: dict[str, Any], kind: str, path: str) -> None:
    """Raise FilterError unless a condition has only its kind and a valid operator."""
    if raw.keys() != {kind, "op"}:
        raise FilterError(path, _("A condition on “%(kind)s” has an operator.") % {"kind": kind})
    if not isinstance(raw["op"], str) or raw["op"] not in MEMBER_OPS:
        raise FilterError(_join_path(path, "op"), _("This needs “in” or “not_in”."))


def _whole_number(value: object, path: str, *, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise FilterError(
            path,
            _("This needs a whole number from %(least)d to %(most)d.")
            % {"least": least, "most": most},
        )
    return value


def _join_path(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _is_storable_name(name: str) -> bool:
    """Return whether an attribute, event or property of this name can be stored."""
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


def _number_or_day(value: object, path: str, *, numbers: bool) -> Scalar:
    """Return a number, or a day such as 2026-11-23."""
    scalar = _scalar(value, path, numbers=numbers)
    if isinstance(scalar, str):
        try:
            day = date.fromisoformat(scalar)
        except ValueError:
            day = None
        if day is None or day.isoformat() != scalar or not FIRST_YEAR <= day.year <= LAST_YEAR:
            message = _("This needs a number, or a date such as 2026-11-23.")
            raise FilterError(
                path, message if numbers else _("This needs a date such as 2026-11-23.")
            )
    return scalar


def _check_import_numbers(values: tuple[Scalar, ...], path: str) -> None:
    """Raise FilterError unless all values are numbers of CSV imports: primary keys as text."""
    if not all(_IMPORT_NUMBER.fullmatch(str(value)) for value in values):
        raise FilterError(path, _("This needs the number of a CSV import, such as 12."))
