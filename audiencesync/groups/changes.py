"""What a line of the activity log says was changed: kept without a language, shown in the reader's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext

LONGEST = 200

Value = str | Promise | bool | int | None
Change = tuple[str | Promise, Value, Value]
"""What was changed, from what, to what. Texts of ours are lazy: they are translated when somebody reads them."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A change in the language of the reader."""

    what: str
    before: str
    after: str


def as_json(changes: Iterable[Change]) -> list[dict[str, Any]]:
    """Only what really differs, ready for a JSON column."""
    with translation.override(None):
        kept = [
            {"what": str(what), "before": _kept(old), "after": _kept(new)}
            for what, old, new in changes
        ]
    return [one for one in kept if one["before"] != one["after"]]


def _kept(value: Value) -> Any:
    if isinstance(value, Promise):
        return {"text": str(value)}
    return value if isinstance(value, bool) or value is None else str(value)[:LONGEST]


def shown(stored: Iterable[dict[str, Any]]) -> list[Shown]:
    """The changes of a line, translated."""
    return [
        Shown(_translated(one["what"]), _shown(one["before"]), _shown(one["after"]))
        for one in stored
    ]


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, dict):
        return _translated(value["text"])
    return value or "–"


def _translated(text: str) -> str:
    return gettext(text) if text else "–"


def masked_email(email: str) -> str:
    """An address that only admins may read, for the others: n•••@example.org."""
    name, at, domain = email.partition("@")
    return f"{name[:1]}•••@{domain}" if at else "•••"
