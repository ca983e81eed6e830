"""Turn the texts of a condition into a part of a filter, and say what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from audiencesync.groups.models import AppGroup
from audiencesync.people.models.imports import Import
from audiencesync.people.segments import catalogue, conditions
from audiencesync.people.segments.builder.draft import Draft, Texts
from audiencesync.people.segments.conditions_sql import whole_email
from audiencesync.people.segments.nodes import (
    COUNTED,
    CUSTOM,
    FIELDS,
    NO_VALUE,
    RELATIVE,
    Condition,
    FilterError,
    Leaf,
)
from audiencesync.people.segments.reader import read

Part = dict[str, Any]
Report = Callable[[str, str], None]  # name of a control, what is wrong with it
_WHERE = {"property": "property", "op": "compare", "value": "amount"}  # key in "where" -> control


@dataclass
class Reading:
    """What all conditions of one form share while they are read.

    ``stored``: conditions of the saved filter. ``is_in_doubt``: whether `doubt` was called.
    """

    app_group: AppGroup
    types: catalogue.Types | None
    stored: list[Leaf]
    is_sure: bool  # the user has chosen to save it although it finds no person today
    add_error: Report
    is_in_doubt: bool = False

    def doubt(self, control: str, message: str) -> None:
        """Report a condition that finds no person; the user can choose to save it all the same."""
        self.is_in_doubt = True
        self.add_error(control, message)


def filter_part(draft: Draft, reading: Reading) -> Part | None:
    """Return a condition as a part of a filter; None if it is empty or wrong."""
    if draft.is_blank:
        return None
    raw_part = _raw_part(draft, reading)
    if raw_part is None:
        return None
    try:
        leaf = read(raw_part)
    except FilterError as error:
        reading.add_error(_control(error.path, draft.path), error.message)
        return None
    if "field" in raw_part:
        _check(draft, raw_part, reading, is_stored=leaf in reading.stored)
    return raw_part


def _control(path: str, condition_path: str) -> str:
    """Return the control that an error of a filter belongs to."""
    # ``path`` is such as "n", "value[3]" or "where[0].value"; "" is the condition as a whole.
    head, _dot, tail = path.partition(".")
    if head.startswith("where["):
        i = head.removeprefix("where[").rstrip("]")
        return f"{_WHERE.get(tail.partition('[')[0], 'property')}-{condition_path}w{i}"
    name = head.partition("[")[0] or "op"
    return f"{'event' if name == 'purchase' else name}-{condition_path}"


def _raw_part(draft: Draft, reading: Reading) -> Part | None:
    """Return a condition as typed, not validated yet; None if a control is empty (reported)."""
    texts, kind = draft.texts, draft.kind
    if kind in ("event", "purchase"):
        return _event(draft, reading)
    if kind == "segment":
        if not texts.get("segment"):
            reading.add_error(f"segment-{draft.path}", _("Choose a segment."))
            return None
        return {"segment": texts["segment"], "op": texts.get("op", "")}
    if kind == "audience":
        if not texts.get("audience"):
            reading.add_error(f"audience-{draft.path}", _("Choose an audience."))
            return None
        return {"audience": int(texts["audience"]), "op": texts.get("op", "")}
    return _comparison(draft, reading)


def _comparison(draft: Draft, reading: Reading) -> Part | None:
    texts, place = draft.texts, draft.path
    field, op, text = texts.get("field", ""), texts.get("op", ""), texts.get("value", "")
    if draft.kind == "import":
        field = "import"
    if not field:
        reading.add_error(f"field-{place}", _("Choose a field, or clear the value."))
        return None
    if draft.kind == "attribute":
        field = CUSTOM + _attribute_name(field, reading)
    raw_part: Part = {"field": field, "op": op}
    if op not in NO_VALUE:
        kinds = (reading.types or {}).get(field.removeprefix(CUSTOM), set())
        raw_part["value"] = _value(op, text, field, kinds)
        if (
            op == "in"
            and field not in FIELDS
            and (message := conditions.unclear_list_warning(text, kinds))
        ):
            reading.add_error(f"value-{place}", message)
    elif text:
        reading.add_error(f"value-{place}", _("This comparison takes no value."))
    return raw_part


def _attribute_name(text: str, reading: Reading) -> str:
    """Return the stored name of an attribute, which may be typed as in the API: custom.plan."""
    is_saved = any(
        isinstance(leaf, Condition) and leaf.field == CUSTOM + text for leaf in reading.stored
    )
    if is_saved or text in (reading.types or {}):  # the name itself may begin with "custom."
        return text
    return conditions.name_as_stored(text.removeprefix(CUSTOM), reading.types)


def _value(op: str, text: str, field: str, kinds: set[str]) -> Any:
    """Return the value of a comparison.

    A text that means no value of the needed type stays as it is: the reader of filters refuses it.
    """
    if op in RELATIVE:
        return _whole(text)
    if op in ("greater", "less"):
        return conditions.day(text) or text if field in FIELDS else conditions.day_or_number(text)
    if op not in ("is", "is_not", "in") or field in FIELDS:
        return conditions.split_list(text) if op == "in" else text
    if op == "in":
        return [conditions.equality_value(item, kinds) for item in conditions.split_list(text)]
    return conditions.equality_value(text, kinds)


def _whole(text: str) -> int | str:
    """Return a whole number, else the text itself, which the reader of filters refuses."""
    number = conditions.number(text)
    return number if isinstance(number, int) else text


def _event(draft: Draft, reading: Reading) -> Part:
    texts = draft.texts
    op = texts.get("op", "")
    raw_part: Part = {draft.kind: texts.get("event", "").strip(), "op": op}
    if op in COUNTED:
        raw_part["n"] = _whole(texts.get("n", ""))
    if days := texts.get("days", ""):
        raw_part["days"] = _whole(days)
    if (day := texts.get("day", "")) and op not in (*COUNTED, "never"):
        raw_part["day"] = conditions.day(day) or day
    if where := [_property(draft.kind, row) for row in draft.where if any(row.values())]:
        raw_part["where"] = where
    return raw_part


def _property(kind: str, texts: Texts) -> Part:
    name, op = texts.get("property", ""), texts.get("compare", "")
    raw_part: Part = {"property": name, "op": op}
    if op in NO_VALUE:
        return raw_part
    text = texts.get("amount", "")
    if kind == "purchase" and name in ("price", "quantity"):
        raw_part["value"] = _amounts(op, text)
    else:
        raw_part["value"] = _value(op, text, CUSTOM + name, set())
    return raw_part


def _amounts(op: str, text: str) -> Any:
    if op == "in":
        return [_number(item) for item in conditions.split_list(text)]
    return _number(text)


def _number(text: str) -> Any:
    number = conditions.number(text)
    return text if number is None else number


def _check(draft: Draft, raw_part: Part, reading: Reading, *, is_stored: bool) -> None:
    """Replace a whole address by its hash; report what can match no profile, if it is new."""
    path = draft.path
    if raw_part["field"] == "email" and raw_part["op"] == "contains":
        _hide_whole(path, raw_part, reading)
    if raw_part["field"] == "import":
        _check_imports(path, raw_part, reading)
    if reading.is_sure or is_stored:
        return
    if message := conditions.impossible_code(
        raw_part["field"], raw_part["op"], raw_part.get("value")
    ):
        reading.doubt(f"value-{path}", message)
    if reading.types and raw_part["field"].startswith(CUSTOM):
        _check_types(path, raw_part, reading, reading.types)


def _check_types(place: str, raw_part: Part, reading: Reading, types: catalogue.Types) -> None:
    """Report a comparison that matches no type of the attribute."""
    name = raw_part["field"].removeprefix(CUSTOM)
    value = raw_part.get("value")
    if message := conditions.unknown_name_error(name, types):
        reading.doubt(f"field-{place}", message)
    elif message := conditions.impossible_comparison(
        raw_part["field"], raw_part["op"], value, types
    ):
        reading.doubt(f"op-{place}", message)
    elif (message := conditions.odd_day_warning(value)) and catalogue.holds_days(
        reading.app_group, name
    ):
        reading.doubt(f"value-{place}", message)
    elif _compares_days(raw_part) and not catalogue.holds_days(reading.app_group, name):
        # It would never match.
        reading.doubt(f"op-{place}", _("“%(name)s” holds no dates.") % {"name": name})


def _compares_days(raw_part: Part) -> bool:
    is_day = raw_part["op"] in ("greater", "less") and isinstance(raw_part["value"], str)
    return is_day or raw_part["op"] in RELATIVE


def _check_imports(place: str, raw_part: Part, reading: Reading) -> None:
    """Report an unknown import, or one of another group, which would match no profile."""
    value = raw_part["value"]
    numbers = {int(number) for number in (value if isinstance(value, list) else [value])}
    group_imports = Import.objects.filter(app_group=reading.app_group, pk__in=numbers)
    if missing := sorted(numbers - set(group_imports.values_list("pk", flat=True))):
        message = _("There is no import number %(n)d.") % {"n": missing[0]}
        reading.add_error(f"value-{place}", message)


def _hide_whole(place: str, raw_part: Part, reading: Reading) -> None:
    """Replace a whole address by its hash, which finds the same profile."""
    digest = whole_email(raw_part["value"])
    if digest is not None:
        raw_part["value"] = f"sha256:{digest.hex()}"
    elif reading.app_group.hash_only:
        message = _(
            "This group stores hashes only:"
            " people are found by a whole e-mail address, not by a part of it."
        )
        reading.add_error(f"value-{place}", message)
