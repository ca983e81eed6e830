"""The changes in a line of the activity log: stored untranslated, read in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext

MAX_LENGTH = 200  # characters that are stored of a value that is not one of our own texts

Value = str | Promise | bool | int | None
LoggedChange = tuple[str | Promise, Value, Value]
"""(what was changed, old value, new value).

Our own texts are lazy: they are translated when read.
"""


@dataclass(frozen=True, slots=True)
class ChangeText:
    """A change in the language of the reader."""

    what: str
    before: str
    after: str


def as_json(changes: Iterable[LoggedChange]) -> list[dict[str, Any]]:
    """Return the changes whose values differ, ready for a JSON column."""
    with translation.override(None):  # so that str() returns the text before translation
        values = [(str(what), _json_value(old), _json_value(new)) for what, old, new in changes]
    # Long texts that differ only behind the cut are a change, too.
    return [
        {"what": what, "before": _cut(old), "after": _cut(new)}
        for what, old, new in values
        if old != new
    ]


def _json_value(value: Value) -> Any:
    """Return a value for JSON; one of our own texts as {"text": ...}, translated when read."""
    if isinstance(value, Promise):
        return {"text": str(value)}
    return value if isinstance(value, bool) or value is None else str(value)


def _cut(value: Any) -> Any:
    is_too_long = isinstance(value, str) and len(value) > MAX_LENGTH
    return f"{value[: MAX_LENGTH - 1]}…" if is_too_long else value


def translate(stored: Iterable[dict[str, Any]]) -> list[ChangeText]:
    """Return the changes of a line in the language of the reader."""
    return [
        ChangeText(
            _translated_or_dash(change["what"]),
            _value_text(change["before"]),
            _value_text(change["after"]),
        )
        for change in stored
    ]


def _value_text(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, dict):
        return _translated_or_dash(value["text"])
    return value or "–"


def _translated_or_dash(text: str) -> str:
    # gettext("") would return the header of the translations.
    return gettext(text) if text else "–"


def masked_email(email: str) -> str:
    """Return an address for people who may not read it in full: n•••@example.org."""
    name, at, domain = email.partition("@")
    return f"{name[:1]}•••@{domain}" if at else "•••"
