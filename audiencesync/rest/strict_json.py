"""A strict JSON parser: it refuses documents that other parsers read in different ways."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

Json = Any  # None, bool, int, float, str, or lists and dicts of them
MAX_DEPTH = 24  # levels of a whole body; attributes have their own, lower limit
MAX_INT = 2**63 - 1
_BOM = b"\xef\xbb\xbf"
# NUL and surrogates, which no database stores. Only escapes can hold them: UTF-8 and JSON refuse
# them unescaped. Most bodies have none, so that their texts need no check.
_UNSTORABLE_ESCAPES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class NotJson(ValueError):
    """Why a body is refused; the text repeats no value of it."""


def loads(body: bytes) -> Json:
    """Return the document in ``body``. Raises NotJson."""
    try:
        text = body.removeprefix(_BOM).decode()
    except UnicodeDecodeError:
        raise NotJson("The body is not UTF-8.") from None
    try:
        document = _DECODER.decode(text)
    except NotJson:
        raise
    except RecursionError:
        raise NotJson(_too_deep()) from None
    except ValueError as error:
        raise NotJson(f"The body is not JSON ({_reason(error)}).") from None
    _check_document(document, check_text=_UNSTORABLE_ESCAPES.search(body) is not None)
    return document


def number_as_text(value: Json) -> Json:
    """Return a whole number as text, others unchanged: many clients send ids as numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _too_deep() -> str:
    return f"The body is nested more than {MAX_DEPTH} deep."


def _reason(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}"
    return "a number cannot be read"  # our decoder converts nothing else


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotJson("An object has the same key twice.")
    return value


def _int(digits: str) -> int:
    # The length is checked first, because to convert thousands of digits takes long.
    if len(digits) > 20 or not -MAX_INT <= (number := int(digits)) <= MAX_INT:
        raise NotJson("A number is too big.")
    return number


def _float(digits: str) -> float:
    if len(digits) > 400 or not math.isfinite(number := float(digits)):
        raise NotJson("A number is too big.")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not allowed in JSON.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_refuse_constant
)


def _check_document(document: Json, *, check_text: bool) -> None:
    """Raise NotJson if the document is nested too deep.

    With ``check_text``, raise it also for texts that no database stores.
    """
    level = [document]  # all values at one depth; a loop, because recursion could overflow
    for _depth in range(MAX_DEPTH + 1):
        if check_text:
            check_texts(text for value in level for text in _texts(value))
        level = [inner for value in level for inner in _inside(value)]
        if not level:
            return
    raise NotJson(_too_deep())


def _inside(value: Json) -> list[Json]:
    """Return the objects and lists directly inside a value."""
    if isinstance(value, dict):
        return [inner for inner in value.values() if isinstance(inner, dict | list)]
    if isinstance(value, list):
        return [inner for inner in value if isinstance(inner, dict | list)]
    return []


def _texts(value: Json) -> list[str]:
    """Return the texts directly inside a value, of an object also the keys."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [*value, *(inner for inner in value.values() if isinstance(inner, str))]
    if isinstance(value, list):
        return [inner for inner in value if isinstance(inner, str)]
    return []


def check_texts(texts: Iterable[str]) -> None:
    """Raise NotJson for characters that no database stores."""
    for text in texts:
        if "\0" in text:
            raise NotJson("A text has a NUL character.")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise NotJson("A text has half of a surrogate pair.") from None
