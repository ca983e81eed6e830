"""Read a typed condition: numbers and dates as people write them, and whether it can match."""

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
_LIKE_A_DAY = re.compile(r"\d{1,4}([/.-])\d{1,2}\1\d{1,4}(?:[T ].*)?", re.ASCII)
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9]),(?=[0-9])")


def number(text: str) -> int | float | None:
    """Return the number that a text means, read as in an import; None if it is no number.

    ``1.000`` is a thousand where the current language groups digits by points, and one where a
    point separates decimals.
    """
    usual = numbers.COMMA if get_format("DECIMAL_SEPARATOR") == "," else numbers.POINT
    found = numbers.reader(numbers.style([text.strip()]) or usual, "tab")(text.strip())
    return int(found) if found is not None and float(found).is_integer() else found


def amount(text: str) -> int | float | str:
    """Return a date, else a number, else the text itself, which no filter accepts."""
    if (found := day(text)) is not None:
        return found
    counted = number(text)
    return text if counted is None else counted


def same(text: str, kinds: set[str]) -> int | float | str:
    """Return the value for an equality test with an attribute of these types.

    A number where only numbers are stored. Else a text, which a filter also reads as a number or a
    day, unless only the current language decides which number is meant: ``1.000``.
    """
    counted = number(text)
    if (
        counted is None
        or (numbers.unambiguous(text) == counted and kinds != {"number"})
        or kinds == {"text"}
    ):
        return text
    return counted


def odd_day(value: Value) -> str:
    """Return a warning about a day in an unknown format, or with a time; "" if there is none."""
    texts = [str(one).strip() for one in (value if isinstance(value, list) else [value])]
    odd = next((text for text in texts if _LIKE_A_DAY.fullmatch(text) and day(text) is None), None)
    words = _(
        "Days are found as 2026-11-23 or 23.11.2026, without a time:"
        " “%(text)s” finds only this very text."
    )
    return "" if odd is None else words % {"text": odd}


def listed(text: str) -> list[str]:
    """Return the values of a list, separated by semicolons if there is one, else by commas."""
    return [part.strip() for part in text.split(";" if ";" in text else ",") if part.strip()]


def unclear_list(text: str, kinds: set[str]) -> str:
    """Return a warning that a list of numbers may be one number: ``1,5``; "" if it cannot."""
    parts = [] if ";" in text or "number" not in kinds else re.split(r",\s|\s,", text)
    unclear = next(
        (part for part in parts if _BETWEEN_DIGITS.search(part) and number(part) is not None), None
    )
    words = _(
        "“%(text)s” may be one number or several."
        " Part values by semicolons: “1,5;” is one number, “1; 5” are two."
    )
    return "" if unclear is None else words % {"text": unclear}


def unknown_code(field: str, op: str, values: Sequence[str]) -> str:
    """Return why no profile can have such a country or language, in words; "" if one can."""
    wrong = next((value for value in values if not _may_be_code(field, op, value)), None)
    if wrong is None:
        return ""
    if field == "country":
        return _("“%(text)s” is no country. Countries are kept as codes such as DE.") % {
            "text": wrong
        }
    return _("“%(text)s” is no language. Languages are kept as codes such as de or pt-BR.") % {
        "text": wrong
    }


def _may_be_code(field: str, op: str, value: str) -> bool:
    """Return whether a value can match: a code or a name; as a part, only a part of a code."""
    read, part = CODES[field]
    code = read(value)
    if op not in ("contains", "starts_with"):
        return code is not None
    return part.fullmatch(value.strip()) is not None and (
        code is None or fold(code) == fold(value.strip())
    )


def name_as_stored(typed: str, known: Types | None) -> str:
    """Return the stored name if exactly one differs only in case, else the typed name."""
    if not known or typed in known:
        return typed
    alike = [name for name in known if fold(name) == fold(typed)]
    return alike[0] if len(alike) == 1 else typed


def unknown_name(name: str, known: Types) -> str:
    """Return what is wrong with an attribute name, in words; "" if profiles have it."""
    if name in known:
        return ""
    close = get_close_matches(name, known, n=1)
    if close:
        return _("No person has an attribute “%(name)s”. Do you mean “%(close)s”?") % {
            "name": name,
            "close": close[0],
        }
    return _("No person has an attribute “%(name)s”.") % {"name": name}


def unreadable(field: str, op: str, value: Value) -> str:
    """Return why a standard field cannot have such a value, in words; "" if it can."""
    if field not in CODES or value is None:
        return ""
    return unknown_code(
        field, op, [str(one) for one in (value if isinstance(value, list) else [value])]
    )


def impossible(field: str, op: str, value: Value, known: Types) -> str:
    """Return why a comparison matches no profile: its type is not stored; "" if it may match."""
    name = field.removeprefix(CUSTOM)
    kinds = known.get(name, set())
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
