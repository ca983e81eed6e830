"""What a marketer types as a condition: numbers and dates as people write them, and whether it can find anybody."""

from __future__ import annotations

from datetime import date, datetime
from difflib import get_close_matches

from django.utils.formats import get_format
from django.utils.translation import gettext as _

from audiencesync.people.catalogue import Types
from audiencesync.people.filters import CUSTOM
from audiencesync.people.fold import fold
from audiencesync.people.imports import numbers

Value = str | int | float | list[str] | None
DAYS = ("%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y")


def number(text: str) -> int | float | None:
    """Return the number that a text means; None if it is none. Read as the numbers of an import are.

    ``1.000`` is a thousand where the language in use groups digits by points, and one where a point separates decimals.
    """
    usual = numbers.COMMA if get_format("DECIMAL_SEPARATOR") == "," else numbers.POINT
    found = numbers.reader(numbers.style([text.strip()]) or usual, "tab")(text.strip())
    return int(found) if found is not None and float(found).is_integer() else found


def day(text: str) -> str | None:
    """Return a date such as ``23.11.2026`` in the form 2026-11-23; None if it is none."""
    for form in DAYS:
        try:
            found: date = datetime.strptime(text.strip(), form).date()  # noqa: DTZ007 - a day has no time zone
        except ValueError:
            continue
        return found.isoformat()
    return None


def amount(text: str) -> int | float | str:
    """Return what a text is compared as: a date, else a number, else itself, which no filter takes."""
    if (found := day(text)) is not None:
        return found
    counted = number(text)
    return text if counted is None else counted


def name_as_stored(typed: str, known: Types | None) -> str:
    """Return the attribute that is meant: the spelling that is stored, if just one differs in nothing but case."""
    if not known or typed in known:
        return typed
    same = [name for name in known if fold(name) == fold(typed)]
    return same[0] if len(same) == 1 else typed


def unknown_name(name: str, known: Types) -> str:
    """Return what is wrong with the name of an attribute, in words; "" if people have one of that name."""
    if name in known:
        return ""
    close = get_close_matches(name, known, n=1)
    if close:
        return _("No person has an attribute “%(name)s”. Do you mean “%(close)s”?") % {"name": name, "close": close[0]}
    return _("No person has an attribute “%(name)s”.") % {"name": name}


def impossible(field: str, op: str, value: Value, known: Types) -> str:
    """Return why a comparison can find no person whatever the value: its type is not stored; "" if it can."""
    name = field.removeprefix(CUSTOM)
    kinds = known.get(name, set())
    if not kinds:
        return ""
    if op in ("is_true", "is_false"):
        return "" if "boolean" in kinds else _("“%(name)s” is no yes or no.") % {"name": name}
    if op in ("contains", "starts_with"):
        return "" if "text" in kinds else _("“%(name)s” holds no text.") % {"name": name}
    if op in ("greater", "less"):
        return _impossible_amount(name, value, kinds)
    if op in ("is", "is_not", "in"):
        return _impossible_value(name, value if isinstance(value, list) else [str(value)], kinds)
    return ""


def _impossible_amount(name: str, value: Value, kinds: set[str]) -> str:
    if isinstance(value, str):
        return "" if "text" in kinds else _("“%(name)s” holds no dates.") % {"name": name}
    if "number" in kinds:
        return ""
    return _("“%(name)s” is stored as text, not as a number. Import it again as a number.") % {"name": name}


def _impossible_value(name: str, values: list[str], kinds: set[str]) -> str:
    if "text" in kinds or ("number" in kinds and any(number(value) is not None for value in values)):
        return ""
    if "boolean" in kinds:
        return _("“%(name)s” is a yes or no: choose “is true” or “is false”.") % {"name": name}
    if "number" in kinds:
        return _("“%(name)s” holds numbers.") % {"name": name}
    return _("“%(name)s” holds lists or objects, which cannot be compared.") % {"name": name}
