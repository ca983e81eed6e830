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
    FilterError,
    Leaf,
)
from audiencesync.people.segments.reader import read

Part = dict[str, Any]
Report = Callable[[str, str], None]  # name of a control, what is wrong with it
_WHERE = {"property": "property", "op": "compare", "value": "amount"}


@dataclass
class Reading:
    """What the reading of all conditions shares. ``stored``: conditions of the saved filter."""

    app_group: AppGroup
    types: catalogue.Types | None
    stored: list[Leaf]
    is_sure: bool  # save it although it finds no person today
    add_error: Report
    is_in_doubt: bool = False

    def doubt(self, control: str, words: str) -> None:
        """Report a condition that finds no person, which can be saved nevertheless."""
        self.is_in_doubt = True
        self.add_error(control, words)


def part(draft: Draft, reading: Reading) -> Part | None:
    """Return a condition as a part of a filter; None if it is empty or wrong."""
    if draft.is_blank:
        return None
    made = _made(draft, reading)
    if made is None:
        return None
    try:
        leaf = read(made)
    except FilterError as error:
        reading.add_error(_control(error.path, draft.path), error.message)
        return None
    if "field" in made:
        _check(draft, made, reading, is_stored=leaf in reading.stored)
    return made


def _control(path: str, place: str) -> str:
    """Return the control that an error of a filter belongs to."""
    head, _dot, tail = path.partition(".")
    if head.startswith("where["):
        i = head.removeprefix("where[").rstrip("]")
        return f"{_WHERE.get(tail.partition('[')[0], 'property')}-{place}w{i}"
    name = head.partition("[")[0] or "op"
    return f"{'event' if name == 'purchase' else name}-{place}"


def _made(draft: Draft, reading: Reading) -> Part | None:
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
        field = CUSTOM + conditions.name_as_stored(field.removeprefix(CUSTOM), reading.types)
    made: Part = {"field": field, "op": op}
    if op not in NO_VALUE:
        kinds = (reading.types or {}).get(field.removeprefix(CUSTOM), set())
        made["value"] = _value(op, text, field, kinds)
        if op == "in" and field not in FIELDS and (words := conditions.unclear_list(text, kinds)):
            reading.add_error(f"value-{place}", words)
    elif text:
        reading.add_error(f"value-{place}", _("This comparison takes no value."))
    return made


def _value(op: str, text: str, field: str, kinds: set[str]) -> Any:
    """Return the value of a comparison; a text that means none is refused by the filter."""
    if op in RELATIVE:
        return _whole(text)
    if op in ("greater", "less"):
        return conditions.day(text) or text if field in FIELDS else conditions.amount(text)
    if op not in ("is", "is_not", "in") or field in FIELDS:
        return conditions.listed(text) if op == "in" else text
    if op == "in":
        return [conditions.same(one, kinds) for one in conditions.listed(text)]
    return conditions.same(text, kinds)


def _whole(text: str) -> int | str:
    """Return a whole number, else the text itself, which no filter accepts."""
    number = conditions.number(text)
    return number if isinstance(number, int) else text


def _event(draft: Draft, reading: Reading) -> Part:
    texts = draft.texts
    op = texts.get("op", "")
    made: Part = {draft.kind: texts.get("event", "").strip(), "op": op}
    if op in COUNTED:
        made["n"] = _whole(texts.get("n", ""))
    if days := texts.get("days", ""):
        made["days"] = _whole(days)
    if (day := texts.get("day", "")) and op not in (*COUNTED, "never"):
        made["day"] = conditions.day(day) or day
    if where := [_property(draft.kind, one) for one in draft.where if any(one.values())]:
        made["where"] = where
    return made


def _property(kind: str, texts: Texts) -> Part:
    name, op = texts.get("property", ""), texts.get("compare", "")
    made: Part = {"property": name, "op": op}
    if op in NO_VALUE:
        return made
    text = texts.get("amount", "")
    if kind == "purchase" and name in ("price", "quantity"):
        made["value"] = _amounts(op, text)
    else:
        made["value"] = _value(op, text, CUSTOM + name, set())
    return made


def _amounts(op: str, text: str) -> Any:
    if op == "in":
        return [_number(one) for one in conditions.listed(text)]
    return _number(text)


def _number(text: str) -> Any:
    number = conditions.number(text)
    return text if number is None else number


def _check(draft: Draft, made: Part, reading: Reading, *, is_stored: bool) -> None:
    """Hide a whole address, and report what can match no profile unless it is saved already."""
    place = draft.path
    if made["field"] == "email" and made["op"] == "contains":
        _hide_whole(place, made, reading)
    if made["field"] == "import":
        _check_imports(place, made, reading)
    if reading.is_sure or is_stored:
        return
    if words := conditions.unreadable(made["field"], made["op"], made.get("value")):
        reading.doubt(f"value-{place}", words)
    if reading.types and made["field"].startswith(CUSTOM):
        _check_types(place, made, reading, reading.types)


def _check_types(place: str, made: Part, reading: Reading, known: catalogue.Types) -> None:
    """Report a comparison that matches no type of the attribute."""
    name = made["field"].removeprefix(CUSTOM)
    value = made.get("value")
    if words := conditions.unknown_name(name, known):
        reading.doubt(f"field-{place}", words)
    elif words := conditions.impossible(made["field"], made["op"], value, known):
        reading.doubt(f"op-{place}", words)
    elif (words := conditions.odd_day(value)) and catalogue.holds_days(reading.app_group, name):
        reading.doubt(f"value-{place}", words)
    elif _is_of_days(made) and not catalogue.holds_days(reading.app_group, name):
        # It would never match.
        reading.doubt(f"op-{place}", _("“%(name)s” holds no dates.") % {"name": name})


def _is_of_days(made: Part) -> bool:
    is_day = made["op"] in ("greater", "less") and isinstance(made["value"], str)
    return is_day or made["op"] in RELATIVE


def _check_imports(place: str, made: Part, reading: Reading) -> None:
    """Report an unknown import, or one of another group, which would match no profile."""
    value = made["value"]
    numbers = {int(one) for one in (value if isinstance(value, list) else [value])}
    mine = Import.objects.filter(app_group=reading.app_group, pk__in=numbers)
    if missing := sorted(numbers - set(mine.values_list("pk", flat=True))):
        words = _("There is no import number %(n)d.") % {"n": missing[0]}
        reading.add_error(f"value-{place}", words)


def _hide_whole(place: str, made: Part, reading: Reading) -> None:
    """Replace a whole address by its hash, which finds the same profile."""
    digest = whole_email(made["value"])
    if digest is not None:
        made["value"] = f"sha256:{digest.hex()}"
    elif reading.app_group.hash_only:
        words = _(
            "This group stores hashes only:"
            " people are found by a whole e-mail address, not by a part of it."
        )
        reading.add_error(f"value-{place}", words)
