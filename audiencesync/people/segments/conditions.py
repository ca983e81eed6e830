"""Read the numbers, dates and lists that users type in conditions, and say what cannot match."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from django.utils.formats import get_format
from django.utils.translation import gettext as _

from audiencesync.people.parsers import numbers, spellings
from audiencesync.people.parsers.days import day
from audiencesync.people.segments.catalogue import Types
from audiencesync.people.segments.filters import CUSTOM
from audiencesync.people.segments.fold import fold
from audiencesync.people.segments.nodes import RELATIVE

Value = str | int | float | list[str | int | float] | None
CODES = {  # field -> its parser, and the pattern of a part of its code
    "country": (spellings.country, re.compile(r"[A-Za-z]{1,2}", re.ASCII)),
    "language": (spellings.language, re.compile(r"[A-Za-z]{0,3}([-_]\w{0,6})?", re.ASCII)),
}
_DAY_LIKE = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}(?:[T ].*)?", re.ASCII)
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9]),(?=[0-9])")


def number(text: str) -> int | float | None:
    """Return the number that a text means, read as in an import; None if it is no number.

    ``1.000`` is a thousand where the current language groups digits by points, and one where a
    point separates decimals.
    """
    default_style = numbers.COMMA if get_format("DECIMAL_SEPARATOR") == "," else numbers.POINT
    value = numbers.reader(numbers.style([text.strip()]) or default_style, "tab")(text.strip())
    return int(value) if value is not None and float(value).is_integer() else value


def day_or_number(text: str) -> int | float | str:
    """Return a date, else a number, else the text itself, which no filter accepts."""
    if (as_day := day(text)) is not None:
        return as_day
    as_number = number(text)
    return text if as_number is None else as_number


def equality_value(text: str, kinds: set[str]) -> int | float | str:
    """Return the value for an equality test with an attribute of these types.

    It is a number where only numbers are stored, or where the current language decides which number
    the text means: ``1.000``. Otherwise, and where only texts are stored, it is the text, which a
    filter also compares as a number or a day.
    """
    as_number = number(text)
    if (
        as_number is None
        or (numbers.unambiguous(text) == as_number and kinds != {"number"})
        or kinds == {"text"}
    ):
        return text
    return as_number


def odd_day_warning(value: Value) -> str:
    """Return a warning about a day in an unknown format, or with a time; "" if there is none."""
    texts = [str(item).strip() for item in (value if isinstance(value, list) else [value])]
    odd_text = next(
        (text for text in texts if _DAY_LIKE.fullmatch(text) and day(text) is None), None
    )
    message = _(
        "Days are found as 2026-11-23 or 23.11.2026, without a time:"
        " “%(text)s” finds only this very text."
    )
    return "" if odd_text is None else message % {"text": odd_text}


def split_list(text: str) -> list[str]:
    """Return the values of a list, separated by semicolons if there is one, else by commas."""
    return [part.strip() for part in text.split(";" if ";" in text else ",") if part.strip()]


def unclear_list_warning(text: str, kinds: set[str]) -> str:
    """Return a warning that a list of numbers may be one number: ``1,5``; "" if it cannot."""
    parts = [] if ";" in text or "number" not in kinds else re.split(r",\s|\s,", text)
    unclear_part = next(
        (part for part in parts if _BETWEEN_DIGITS.search(part) and number(part) is not None), None
    )
    message = _(
        "“%(text)s” may be one number or several."
        " Part values by semicolons: “1,5;” is one number, “1; 5” are two."
    )
    return "" if unclear_part is None else message % {"text": unclear_part}


def unknown_code_error(field: str, op: str, values: Sequence[str]) -> str:
    """Return why no profile can have such a country or language, in words; "" if one can."""
    unknown = next((value for value in values if not _may_be_code(field, op, value)), None)
    if unknown is None:
        return ""
    if field == "country":
        return _("“%(text)s” is no country. Countries are kept as codes such as DE.") % {
            "text": unknown
        }
    return _("“%(text)s” is no language. Languages are kept as codes such as de or pt-BR.") % {
        "text": unknown
    }


def _may_be_code(field: str, op: str, value: str) -> bool:
    """Return whether a value can match: a code or a name, or with "contains" a part of a code."""
    parse, part_pattern = CODES[field]
    code = parse(value)
    if op not in ("contains", "starts_with"):
        return code is not None
    return part_pattern.fullmatch(value.strip()) is not None and (
        code is None or fold(code) == fold(value.strip())
    )


def name_as_stored(typed: str, types: Types | None) -> str:
    """Return the stored name if exactly one differs only in case, else the typed name."""
    if not types or typed in types:
        return typed
    matches = [name for name in types if fold(name) == fold(typed)]
    return matches[0] if len(matches) == 1 else typed


def unknown_name_error(name: str, types: Types) -> str:
    """Return what is wrong with an attribute name, in words; "" if profiles have it."""
    if name in types:
        return ""
    similar = get_close_matches(name, types, n=1)
    if similar:
        return _("No person has an attribute “%(name)s”. Do you mean “%(close)s”?") % {
            "name": name,
            "close": similar[0],
        }
    return _("No person has an attribute “%(name)s”.") % {"name": name}


def impossible_code(field: str, op: str, value: Value) -> str:
    """Return why a standard field cannot have such a value, in words; "" if it can."""
    if field not in CODES or value is None:
        return ""
    return unknown_code_error(
        field, op, [str(item) for item in (value if isinstance(value, list) else [value])]
    )


def impossible_comparison(field: str, op: str, value: Value, types: Types) -> str:
    """Return why a comparison matches no profile: its type is not stored; "" if it may match."""
    name = field.removeprefix(CUSTOM)
    kinds = types.get(name, set())
    if not kinds:
        return ""
    if op in ("is_true", "is_false"):
        return "" if "boolean" in kinds else _("“%(name)s” is no yes or no.") % {"name": name}
    if op == "contains" and "list" in kinds:
        return ""
    if op in ("contains", "starts_with"):
        return "" if "text" in kinds else _("“%(name)s” holds no text.") % {"name": name}
    if op in ("greater", "less"):
        return _impossible_amount(name, value, kinds)
    if op in RELATIVE:
        return "" if "text" in kinds else _("“%(name)s” holds no dates.") % {"name": name}
    if op in ("is", "is_not", "in"):
        return _impossible_value(name, value if isinstance(value, list) else [value], kinds)
    return ""


def _impossible_amount(name: str, value: Value, kinds: set[str]) -> str:
    if isinstance(value, str):
        return "" if "text" in kinds else _("“%(name)s” holds no dates.") % {"name": name}
    if "number" in kinds:
        return ""
    return _("“%(name)s” is stored as text, not as a number. Import it again as a number.") % {
        "name": name
    }


def _impossible_value(name: str, values: Sequence[Value], kinds: set[str]) -> str:
    if "text" in kinds or (
        "number" in kinds and any(number(str(value)) is not None for value in values)
    ):
        return ""
    if "boolean" in kinds:
        return _("“%(name)s” is a yes or no: choose “is true” or “is false”.") % {"name": name}
    if "number" in kinds:
        return _("“%(name)s” holds numbers.") % {"name": name}
    return _("“%(name)s” holds lists or objects, which cannot be compared.") % {"name": name}
