"""The changes in a line of the activity log: stored without a language, shown in the reader's
language.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext

MAX_LENGTH = 200

Value = str | Promise | bool | int | None
LoggedChange = tuple[str | Promise, Value, Value]
"""(what was changed, old value, new value).

Our own texts are lazy: they are translated when read.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A change in the language of the reader."""

    what: str
    before: str
    after: str


def as_json(changes: Iterable[LoggedChange]) -> list[dict[str, Any]]:
    """Return the changes whose values differ, ready for a JSON column."""
    with translation.override(None):
        stored = [
            {"what": str(what), "before": _stored(old), "after": _stored(new)}
            for what, old, new in changes
        ]
    return [one for one in stored if one["before"] != one["after"]]


def _stored(value: Value) -> Any:
    if isinstance(value, Promise):
        return {"text": str(value)}
    return value if isinstance(value, bool) or value is None else str(value)[:MAX_LENGTH]


def shown(stored: Iterable[dict[str, Any]]) -> list[Shown]:
    """Return the translated changes of a line."""
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
    """Return an address as members without the admin role see it: n•••@example.org."""
    name, at, domain = email.partition("@")
    return f"{name[:1]}•••@{domain}" if at else "•••"
